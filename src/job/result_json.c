/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stored form of a result. Keys we do not know are left alone: an older server may read what a
 * newer one wrote. Members are described by tables, so that writing and reading cannot drift apart.
 */
#include <stddef.h>
#include <string.h>

#include "job/result.h"

struct number {
    const char *key;
    size_t offset; /* of an int64_t */
};

static const struct number outcome_numbers[] = {
    { "cpu_us", offsetof(struct outcome, cpu_us) },
    { "wall_us", offsetof(struct outcome, wall_us) },
    { "memory_bytes", offsetof(struct outcome, memory_bytes) },
};

static const struct number result_numbers[] = {
    { "cpu_us", offsetof(struct result, cpu_us) },
    { "wall_us", offsetof(struct result, wall_us) },
    { "memory_bytes", offsetof(struct result, memory_bytes) },
    { "started_us", offsetof(struct result, started_us) },
    { "finished_us", offsetof(struct result, finished_us) },
    { "compile_us", offsetof(struct result, compile_us) },
    { "run_us", offsetof(struct result, run_us) },
};

/* ---- writing ---- */

static void put_number(struct json_writer *w, const void *base, const struct number *n)
{
    int64_t value;
    memcpy(&value, (const char *)base + n->offset, sizeof value);
    json_put_key(w, n->key);
    json_put_int(w, value);
}

static void put_files(struct json_writer *w, const struct outcome *o)
{
    if (o->file_count == 0)
        return;
    json_put_key(w, "files");
    json_put_array(w);
    for (size_t i = 0; i < o->file_count; i++) {
        json_put_object(w);
        json_member_text_if(w, "path", o->files[i].path);
        json_put_bytes(w, "content", "encoding", o->files[i].content);
        json_member_true(w, "executable", o->files[i].executable);
        json_put_object_end(w);
    }
    json_put_array_end(w);
}

/* The members of an outcome, into an object already begun. */
static void put_outcome(struct json_writer *w, const struct outcome *o)
{
    json_member_text_if(w, "verdict", verdict_name(o->verdict));
    json_member_text_if(w, "limit", o->limit);
    json_put_key(w, "exit_code");
    json_put_int(w, o->exit_code);
    json_put_key(w, "signal");
    json_put_int(w, o->signal);
    for (size_t i = 0; i < COUNT_OF(outcome_numbers); i++)
        put_number(w, o, &outcome_numbers[i]);
    if (o->out.ptr)
        json_put_bytes(w, "stdout", "stdout_encoding", o->out);
    if (o->err.ptr)
        json_put_bytes(w, "stderr", "stderr_encoding", o->err);
    json_member_true(w, "stdout_cut", o->out_cut);
    json_member_true(w, "stderr_cut", o->err_cut);
    put_files(w, o);
    json_member_true(w, "files_cut", o->files_cut);
    json_member_text_if(w, "message", o->message);
}

static void put_test(struct json_writer *w, const struct test_result *t)
{
    json_put_object(w);
    json_member_text_if(w, "id", t->id);
    json_put_key(w, "weight");
    json_put_double(w, t->weight);
    put_outcome(w, &t->outcome);
    json_put_object_end(w);
}

static void put_hint(struct json_writer *w, const struct hint *h)
{
    json_put_object(w);
    json_member_text_if(w, "id", h->id);
    json_member_text_if(w, "title", h->title);
    json_member_text_if(w, "text", h->text);
    json_member_text_if(w, "confidence", h->confidence);
    json_member_text_if(w, "link", h->link);
    json_member_text_if(w, "test", h->test);
    if (h->line) {
        json_put_key(w, "line");
        json_put_int(w, h->line);
    }
    json_member_true(w, "follow_up", h->follow_up);
    json_put_object_end(w);
}

static void put_hints(struct json_writer *w, const struct result *r)
{
    if (r->hint_count == 0)
        return;
    json_put_key(w, "hints");
    json_put_array(w);
    for (size_t i = 0; i < r->hint_count; i++)
        put_hint(w, &r->hints[i]);
    json_put_array_end(w);
}

void result_to_json(const struct result *r, struct buf *out)
{
    struct json_writer w = { .out = out };
    json_put_object(&w);
    json_member_text_if(&w, "verdict", verdict_name(r->verdict));
    json_member_text_if(&w, "message", r->message);
    json_member_true(&w, "compiled", r->compiled);
    json_member_true(&w, "cached", r->cached);
    json_member_true(&w, "reused", r->reused);
    if (r->compiled) {
        json_put_key(&w, "compile");
        json_put_object(&w);
        put_outcome(&w, &r->compile);
        json_put_object_end(&w);
    }
    json_put_key(&w, "tests");
    json_put_array(&w);
    for (size_t i = 0; i < r->test_count; i++)
        put_test(&w, &r->tests[i]);
    json_put_array_end(&w);
    put_hints(&w, r);

    json_put_key(&w, "attempt");
    json_put_int(&w, r->attempt);
    json_member_true(&w, "rusage_only", r->rusage_only);
    json_put_key(&w, "score");
    json_put_double(&w, r->score);
    for (size_t i = 0; i < COUNT_OF(result_numbers); i++)
        put_number(&w, r, &result_numbers[i]);
    json_put_object_end(&w);
}

/* ---- reading ---- */

struct reader {
    struct arena *arena;
    struct err *e;
};

/* The key's value when it has the kind; NULL when it is absent. *bad is set when it is another. */
static const struct json *get(const struct reader *r, const struct json *from, const char *key,
                              enum json_kind kind, bool *bad)
{
    const struct json *value = json_get(from, key);
    if (!value || json_kind(value) == JSON_NULL)
        return NULL;
    bool fits = json_kind(value) == kind || (kind == JSON_DOUBLE && json_kind(value) == JSON_INT);
    if (fits)
        return value;
    err_invalid(r->e, key, "a stored result has %s here", json_kind_name(value));
    *bad = true;
    return NULL;
}

static bool get_numbers(const struct reader *r, const struct json *from, const struct number *table,
                        size_t count, void *base)
{
    for (size_t i = 0; i < count; i++) {
        bool bad = false;
        const struct json *value = get(r, from, table[i].key, JSON_INT, &bad);
        int64_t number = value ? json_as_int(value) : 0;
        if (bad)
            return false;
        memcpy((char *)base + table[i].offset, &number, sizeof number);
    }
    return true;
}

static bool get_int(const struct reader *r, const struct json *from, const char *key, int *ret)
{
    bool bad = false;
    const struct json *value = get(r, from, key, JSON_INT, &bad);
    int64_t number = value ? json_as_int(value) : 0;
    if (number < INT32_MIN || number > INT32_MAX)
        return err_invalid(r->e, key, "a stored result has a number out of range");
    *ret = (int)number;
    return !bad;
}

static bool get_double(const struct reader *r, const struct json *from, const char *key,
                       double *ret)
{
    bool bad = false;
    const struct json *value = get(r, from, key, JSON_DOUBLE, &bad);
    *ret = value ? json_as_double(value) : 0;
    return !bad;
}

static bool get_flag(const struct reader *r, const struct json *from, const char *key, bool *ret)
{
    bool bad = false;
    const struct json *value = get(r, from, key, JSON_BOOL, &bad);
    *ret = value && json_as_bool(value);
    return !bad;
}

static bool get_text(const struct reader *r, const struct json *from, const char *key,
                     const char **ret)
{
    bool bad = false;
    const struct json *value = get(r, from, key, JSON_TEXT, &bad);
    *ret = value ? arena_str(r->arena, json_as_str(value)).ptr : NULL;
    return !bad;
}

static bool get_verdict(const struct reader *r, const struct json *from, enum verdict *ret)
{
    bool bad = false;
    const struct json *value = get(r, from, "verdict", JSON_TEXT, &bad);
    if (bad)
        return false;
    *ret = value ? verdict_find(json_as_str(value)) : VERDICT_NONE;
    if (value && *ret == VERDICT_NONE && !str_is(json_as_str(value), verdict_name(VERDICT_NONE)))
        return err_invalid(r->e, "verdict", "a stored result has an unknown verdict");
    return true;
}

static bool get_bytes(const struct reader *r, const struct json *from, const char *key,
                      const char *encoding_key, struct str *ret)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    enum got got = json_bytes(from, key, encoding_key, &bytes, r->e);
    *ret = got == GOT_ONE ? arena_str(r->arena, buf_str(&bytes)) : STR_NULL;
    return got != GOT_FAILED;
}

static bool get_file(const struct reader *r, const struct json *file, struct output_file *ret)
{
    if (!get_text(r, file, "path", &ret->path) ||
        !get_bytes(r, file, "content", "encoding", &ret->content) ||
        !get_flag(r, file, "executable", &ret->executable))
        return false;
    return ret->path && ret->content.ptr
               ? true
               : err_invalid(r->e, "files", "a stored result has a file without path or content");
}

static bool get_files(const struct reader *r, const struct json *from, struct outcome *o)
{
    bool bad = false;
    const struct json *files = get(r, from, "files", JSON_ARRAY, &bad);
    size_t count = files ? json_count(files) : 0;
    if (bad || count == 0)
        return !bad;
    o->files = arena_array(r->arena, count, sizeof *o->files);
    o->file_count = count;
    for (size_t i = 0; i < count; i++)
        if (!get_file(r, json_at(files, i), &o->files[i]))
            return err_add(r->e, "files[%zu]", i);
    return true;
}

static bool get_outcome(const struct reader *r, const struct json *from, struct outcome *o)
{
    return get_verdict(r, from, &o->verdict) && get_text(r, from, "limit", &o->limit) &&
           get_int(r, from, "exit_code", &o->exit_code) && get_int(r, from, "signal", &o->signal) &&
           get_numbers(r, from, outcome_numbers, COUNT_OF(outcome_numbers), o) &&
           get_bytes(r, from, "stdout", "stdout_encoding", &o->out) &&
           get_bytes(r, from, "stderr", "stderr_encoding", &o->err) &&
           get_flag(r, from, "stdout_cut", &o->out_cut) &&
           get_flag(r, from, "stderr_cut", &o->err_cut) && get_files(r, from, o) &&
           get_flag(r, from, "files_cut", &o->files_cut) &&
           get_text(r, from, "message", &o->message);
}

static bool get_tests(const struct reader *r, const struct json *from, struct result *result)
{
    bool bad = false;
    const struct json *tests = get(r, from, "tests", JSON_ARRAY, &bad);
    if (bad)
        return false;
    size_t count = tests ? json_count(tests) : 0;
    if (count == 0)
        return true;
    result->tests = arena_array(r->arena, count, sizeof *result->tests);
    result->test_count = count;
    for (size_t i = 0; i < count; i++) {
        struct test_result *t = &result->tests[i];
        const struct json *test = json_at(tests, i);
        if (json_kind(test) != JSON_OBJECT)
            return err_invalid(r->e, "tests", "a stored result has %s as a test",
                               json_kind_name(test));
        if (!get_text(r, test, "id", &t->id) || !get_double(r, test, "weight", &t->weight) ||
            !get_outcome(r, test, &t->outcome))
            return err_add(r->e, "tests[%zu]", i);
    }
    return true;
}

static const struct number hint_numbers[] = {
    { "line", offsetof(struct hint, line) },
};

static bool get_hint(const struct reader *r, const struct json *from, struct hint *h)
{
    if (json_kind(from) != JSON_OBJECT)
        return err_invalid(r->e, "hints", "a stored result has %s as a hint", json_kind_name(from));
    if (!get_text(r, from, "id", &h->id) || !get_text(r, from, "title", &h->title) ||
        !get_text(r, from, "text", &h->text) || !get_text(r, from, "confidence", &h->confidence) ||
        !get_text(r, from, "link", &h->link) || !get_text(r, from, "test", &h->test) ||
        !get_numbers(r, from, hint_numbers, COUNT_OF(hint_numbers), h) ||
        !get_flag(r, from, "follow_up", &h->follow_up))
        return false;
    return h->id && h->title && h->text && h->confidence
               ? true
               : err_invalid(r->e, "hints", "a stored result has a hint without its text");
}

static bool get_hints(const struct reader *r, const struct json *from, struct result *result)
{
    bool bad = false;
    const struct json *hints = get(r, from, "hints", JSON_ARRAY, &bad);
    size_t count = hints ? json_count(hints) : 0;
    if (bad || count == 0)
        return !bad;
    result->hints = arena_array(r->arena, count, sizeof *result->hints);
    result->hint_count = count;
    for (size_t i = 0; i < count; i++)
        if (!get_hint(r, json_at(hints, i), &result->hints[i]))
            return err_add(r->e, "hints[%zu]", i);
    return true;
}

static bool get_result(const struct reader *r, const struct json *from, struct result *result)
{
    bool bad = false;
    const struct json *compile = get(r, from, "compile", JSON_OBJECT, &bad);
    if (bad || (compile && !get_outcome(r, compile, &result->compile)))
        return false;
    return get_verdict(r, from, &result->verdict) &&
           get_text(r, from, "message", &result->message) &&
           get_flag(r, from, "compiled", &result->compiled) &&
           get_flag(r, from, "cached", &result->cached) &&
           get_flag(r, from, "reused", &result->reused) && get_tests(r, from, result) &&
           get_hints(r, from, result) && get_int(r, from, "attempt", &result->attempt) &&
           get_flag(r, from, "rusage_only", &result->rusage_only) &&
           get_double(r, from, "score", &result->score) &&
           get_numbers(r, from, result_numbers, COUNT_OF(result_numbers), result);
}

struct result *result_from_json(const struct json *json, struct err *e)
{
    if (!json || json_kind(json) != JSON_OBJECT) {
        err_invalid(e, "", "a stored result must be an object");
        return NULL;
    }
    CLEANUP(result_free) struct result *result = result_new();
    struct reader r = { &result->arena, e };
    if (!get_result(&r, json, result))
        return NULL;
    return TAKE(result);
}
