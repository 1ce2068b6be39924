/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we read of a request ourselves. The first byte says what the rest is:
 *
 *   q  a query string or form body   p  a path           m  a Content-Type, a line break, multipart
 *   w  options for word splitting    f  a fields list    a  a Judge0 submission in JSON
 *   e  a Last-Event-ID
 */
#include "base/text.h"
#include "fuzz.h"
#include "http/judge0.h"
#include "http/place.h"

static void check_params(const struct params *params)
{
    CHECK(params->count <= PARAMS_MAX);
    for (size_t i = 0; i < params->count; i++) {
        const struct param *p = &params->items[i];
        CHECK(p->name && p->value.ptr && p->value.ptr[p->value.len] == '\0');
        CHECK(utf8_valid(p->value) && utf8_valid(str_of(p->name)));
        CHECK(params_get(params, p->name).ptr);
    }
}

static void try_query(struct str text, struct arena *arena)
{
    struct params params;
    struct err e = { 0 };
    if (params_parse(text, arena, &params, &e))
        check_params(&params);
    else
        CHECK(e.kind == ERR_INVALID && e.text[0]);
}

static void try_multipart(struct str text, struct arena *arena)
{
    struct params params;
    struct err e = { 0 };
    const char *end = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
    if (!end)
        return;
    struct str type = { text.ptr, (size_t)(end - text.ptr) };
    struct str body = { end + 1, text.len - type.len - 1 };
    const char *header = arena_str(arena, type).ptr;
    (void)media_type_is(header, "multipart/form-data");
    if (multipart_parse(body, header, arena, &params, &e))
        check_params(&params);
    else
        CHECK(e.kind == ERR_INVALID && e.text[0]);
}

static void try_path(struct str text, struct arena *arena)
{
    struct path path;
    struct err e = { 0 };
    if (!path_parse(text, arena, &path, &e)) {
        CHECK(e.kind == ERR_INVALID || e.kind == ERR_NOT_FOUND);
        return;
    }
    CHECK(path.count <= SEGMENTS_MAX);
    for (size_t i = 0; i < path.count; i++)
        CHECK(path.segments[i][0] && utf8_valid(str_of(path.segments[i])));
}

/* Words put into single quotes and split again are the same words. */
static void try_words(struct str text, struct arena *arena)
{
    const char **words = judge0_split(judge0_filter(text, arena), arena);
    CLEANUP(buf_done) struct buf quoted = { 0 };
    size_t bytes = 0;
    for (size_t i = 0; words[i]; i++) {
        bytes += strlen(words[i]);
        buf_add_char(&quoted, '\'');
        for (const char *c = words[i]; *c; c++) {
            CHECK(!strchr("$&;<>|`", *c));
            buf_add_text(&quoted, *c == '\'' ? "'\\''" : (char[]){ *c, '\0' });
        }
        buf_add_text(&quoted, "' \n");
    }
    CHECK(bytes <= text.len);
    const char **again = judge0_split(buf_str(&quoted), arena);
    size_t i = 0;
    for (; words[i] && again[i]; i++)
        CHECK(strcmp(words[i], again[i]) == 0);
    CHECK(!words[i] && !again[i]);
}

static void try_fields(struct str text, struct arena *arena)
{
    uint64_t set = 0;
    const char *why = judge0_fields(arena_str(arena, text).ptr, arena, &set);
    CHECK(set != 0);
    CHECK(!why || strncmp(why, "invalid fields: [", 17) == 0);
}

static const struct context *context_here(void)
{
    static struct context context;
    struct err e;
    if (!context.catalogue) {
        context.config.judge0 = judge0_config_default();
        context.locale = "C.UTF-8";
        context.catalogue = catalogue_load(NULL, &e);
        CHECK(context.catalogue);
    }
    return &context;
}

/* What passes the attributes' rules is a job whose stored form can be read back. */
static void check_job(const struct judge0_submission *s, struct arena *arena)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *job = judge0_job(s, context_here());
    CLEANUP(buf_done) struct buf text = { 0 };
    job_to_json(job, &text);
    CLEANUP(json_free) struct json *json = json_parse(buf_str(&text), &e);
    CHECK(json);
    CLEANUP(job_free) struct job *back = job_from_json(json, true, &e);
    CHECK(back && back->runs == job->runs && back->limits.wall_us >= 1000000);
    (void)arena;
}

static void try_attributes(struct str text, struct arena *arena)
{
    struct err e = { 0 };
    CLEANUP(json_free) struct json *json = json_parse(text, &e);
    if (!json)
        return;
    for (int encoded = 0; encoded <= 1; encoded++) {
        struct judge0_source source = { .object = json, .encoded = encoded };
        struct judge0_submission submission;
        struct judge0_errors errors;
        bool valid = judge0_read(&source, context_here(), arena, &submission, &errors);
        CHECK(valid == (errors.count == 0));
        CLEANUP(buf_done) struct buf out = { 0 };
        struct json_writer w = { .out = &out };
        judge0_errors_put(&errors, &w);
        if (valid)
            check_job(&submission, arena);
    }
}

/* An id that is ours is the one way to say it, and the next test can always be added. */
static void try_event_id(struct str text, UNUSED struct arena *arena)
{
    struct place p;
    CLEANUP(buf_done) struct buf again = { 0 };
    if (!place_read(text, &p))
        return;
    place_write(&p, &again);
    CHECK(str_eq(buf_str(&again), text));
    for (int i = 0; i < 2 * PLACE_RANGES; i++) {
        int next = place_next(&p);
        CHECK(!place_has(&p, next) && place_add(&p, next) && place_has(&p, next));
        CHECK(p.count <= PLACE_RANGES + 1);
    }
}

FUZZ(text)
{
    static const struct {
        char kind;
        void (*run)(struct str text, struct arena *arena);
    } targets[] = { { 'q', try_query },   { 'p', try_path },   { 'm', try_multipart },
                    { 'w', try_words },   { 'f', try_fields }, { 'a', try_attributes },
                    { 'e', try_event_id } };
    if (!text.len)
        return;
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct str rest = { text.ptr + 1, text.len - 1 };
    for (size_t i = 0; i < COUNT_OF(targets); i++)
        if (targets[i].kind == text.ptr[0])
            targets[i].run(rest, &arena);
}
