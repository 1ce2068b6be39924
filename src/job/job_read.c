/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_from_json(): the tables of the JSON form and a reader for each key. Numbers of things are
 * bounded before anything is allocated for them; the sizes are bounded by the document, which was
 * bounded by whoever read it.
 */
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "job/fields.h"
#include "job/job_names.h"
#include "job/refuse.h"

enum {
    TESTS_MOST = 10000, /* the policy allows fewer */
    FILES_MOST = 1000,
    METADATA_BYTES = 4 * 1024,
    RUNS_MOST = 1000,
};
#define WEIGHT_MOST    1e9
#define TOLERANCE_MOST 1e18
#define URL_BYTES      2047
#define DELAY_MOST     (30 * 24 * 3600)                /* seconds */
#define RETENTION_MOST (INT64_C(10) * 366 * 24 * 3600) /* seconds */

/* ---- env ---- */

struct env_reading {
    const struct reader *r;
    const char *key;
    const char **list;
    size_t count, left;
};

static bool env_name_valid(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || *p == '_' ||
              (p > name && *p >= '0' && *p <= '9')))
            return false;
    return *name != '\0';
}

static bool read_variable(const char *name, const struct json *value, void *arg)
{
    struct env_reading *env = arg;
    const struct reader *r = env->r;
    char path[FIELD_TEXT];
    snprintf(path, sizeof path, "%s.%s", env->key, name);
    if (!env_name_valid(name))
        return refuse(r->e, r->where, path, "is no name for a variable: letters, digits and _");
    const char *text;
    if (!field_text(r, path, value, WORDS_BYTES, &text))
        return false;
    size_t len = strlen(name) + strlen(text) + 1;
    if (len > env->left)
        return refuse(r->e, r->where, env->key, "is too long: at most %d bytes together",
                      WORDS_BYTES);
    env->left -= len;
    env->list[env->count++] = arena_printf(&r->job->arena, "%s=%s", name, text);
    return true;
}

static bool read_env(struct reader *r, const char *key, const struct json *value)
{
    if (!field_kind(r, key, value, JSON_OBJECT, "an object of strings"))
        return false;
    size_t count = json_count(value);
    if (count > WORDS_MOST)
        return refuse(r->e, r->where, key, "has %zu entries, at most %d are allowed", count,
                      WORDS_MOST);
    struct env_reading env = { .r = r, .key = key, .left = WORDS_BYTES };
    env.list = arena_array(&r->job->arena, count + 1, sizeof *env.list);
    if (!json_each(value, read_variable, &env))
        return false;
    r->job->env = env.list;
    return true;
}

/* ---- files ---- */

static bool read_source(struct reader *r, const char *key, UNUSED const struct json *value)
{
    struct job *job = r->job;
    if (job->files)
        return refuse(r->e, r->where, key, "cannot stand beside files");
    job->files = arena_array(&job->arena, 1, sizeof *job->files);
    job->file_count = 1;
    return field_bytes(r, "source", "source_encoding", &job->files[0].content);
}

static bool read_path(struct reader *r, const char *key, const struct json *value)
{
    return field_name(r, key, value, &r->file->path);
}

static bool read_content(struct reader *r, UNUSED const char *key, UNUSED const struct json *value)
{
    return field_bytes(r, "content", "encoding", &r->file->content);
}

static const struct field file_fields[] = {
    { "path", read_path },
    { "content", read_content },
    { "encoding", field_skip },
    { 0 },
};

static bool read_file(struct reader *parent, const struct json *value, size_t index)
{
    struct reader r = { .job = parent->job, .stored = parent->stored, .e = parent->e };
    r.file = &r.job->files[index];
    snprintf(r.where, sizeof r.where, "files[%zu]", index);
    if (json_kind(value) != JSON_OBJECT)
        return refuse(r.e, r.where, "", "must be an object with path and content, not %s",
                      json_kind_name(value));
    snprintf(r.where, sizeof r.where, "files[%zu].", index);
    if (!fields_read(&r, value, file_fields))
        return false;
    if (!r.file->path)
        return refuse(r.e, r.where, "path", "is missing");
    if (!r.file->content.ptr)
        return refuse(r.e, r.where, "content", "is missing");
    return true;
}

static bool read_files(struct reader *r, const char *key, const struct json *value)
{
    struct job *job = r->job;
    if (!field_kind(r, key, value, JSON_ARRAY, "an array of objects"))
        return false;
    if (job->files)
        return refuse(r->e, r->where, key, "cannot stand beside source");
    size_t count = json_count(value);
    if (count > FILES_MOST)
        return refuse(r->e, r->where, key, "has %zu entries, at most %d are allowed", count,
                      FILES_MOST);
    if (count == 0 && !r->stored)
        return refuse(r->e, r->where, key, "must not be empty");
    job->files = arena_array(&job->arena, count + 1, sizeof *job->files);
    job->file_count = count;
    for (size_t i = 0; i < count; i++)
        if (!read_file(r, json_at(value, i), i))
            return false;
    return true;
}

/* ---- tests ---- */

static bool read_test_id(struct reader *r, const char *key, const struct json *value)
{
    return field_name(r, key, value, &r->test->id);
}

static bool read_stdin(struct reader *r, UNUSED const char *key, UNUSED const struct json *value)
{
    return field_bytes(r, "stdin", "stdin_encoding", &r->test->stdin_data);
}

static bool read_expected(struct reader *r, UNUSED const char *key, UNUSED const struct json *value)
{
    return field_bytes(r, "expected_output", "expected_output_encoding", &r->test->expected);
}

static bool read_test_args(struct reader *r, const char *key, const struct json *value)
{
    return field_words(r, key, value, &r->test->args);
}

static bool read_test_limits(struct reader *r, const char *key, const struct json *value)
{
    char path[FIELD_TEXT];
    snprintf(path, sizeof path, "%s%s", r->where, key);
    return limits_from_json(value, path, &r->test->limits, r->e);
}

static bool read_weight(struct reader *r, const char *key, const struct json *value)
{
    return field_double(r, key, value, WEIGHT_MOST, &r->test->weight);
}

static const struct field test_fields[] = {
    { "id", read_test_id },
    { "stdin", read_stdin },
    { "stdin_encoding", field_skip },
    { "expected_output", read_expected },
    { "expected_output_encoding", field_skip },
    { "args", read_test_args },
    { "limits", read_test_limits },
    { "weight", read_weight },
    { 0 },
};

static void test_init(struct job *job, struct job_test *test, size_t index)
{
    test->id = arena_printf(&job->arena, "%zu", index + 1);
    test->limits = limits_unset();
    test->weight = 1;
}

static bool read_test(struct reader *parent, const struct json *value, size_t index)
{
    struct reader r = { .job = parent->job, .stored = parent->stored, .e = parent->e };
    r.test = &r.job->tests[index];
    test_init(r.job, r.test, index);
    snprintf(r.where, sizeof r.where, "tests[%zu]", index);
    if (json_kind(value) != JSON_OBJECT)
        return refuse(r.e, r.where, "", "must be an object, not %s", json_kind_name(value));
    snprintf(r.where, sizeof r.where, "tests[%zu].", index);
    return fields_read(&r, value, test_fields);
}

static bool read_tests(struct reader *r, const char *key, const struct json *value)
{
    struct job *job = r->job;
    if (!field_kind(r, key, value, JSON_ARRAY, "an array of objects"))
        return false;
    size_t count = json_count(value);
    if (count == 0)
        return refuse(r->e, r->where, key, "must not be empty");
    if (count > TESTS_MOST)
        return refuse(r->e, r->where, key, "has %zu entries, at most %d are allowed", count,
                      TESTS_MOST);
    job->tests = arena_array(&job->arena, count, sizeof *job->tests);
    job->test_count = count;
    for (size_t i = 0; i < count; i++)
        if (!read_test(r, json_at(value, i), i))
            return false;
    return true;
}

/* ---- checker ---- */

static bool read_checker_type(struct reader *r, const char *key, const struct json *value)
{
    if (json_kind(value) == JSON_TEXT && str_is(json_as_str(value), "program"))
        return refuse(r->e, r->where, key, "\"program\" is not supported yet");
    int type;
    if (!field_choice(r, key, value, checker_names, &type))
        return false;
    r->job->checker.type = (enum checker_type)type;
    return true;
}

static bool read_absolute(struct reader *r, const char *key, const struct json *value)
{
    return field_double(r, key, value, TOLERANCE_MOST, &r->job->checker.absolute);
}

static bool read_relative(struct reader *r, const char *key, const struct json *value)
{
    return field_double(r, key, value, TOLERANCE_MOST, &r->job->checker.relative);
}

static bool read_ignore_case(struct reader *r, const char *key, const struct json *value)
{
    return field_flag(r, key, value, &r->job->checker.ignore_case);
}

static const struct field checker_fields[] = {
    { "type", read_checker_type },
    { "absolute", read_absolute },
    { "relative", read_relative },
    { "ignore_case", read_ignore_case },
    { "language", NULL, KEY_LATER },
    { "source", NULL, KEY_LATER },
    { 0 },
};

static bool read_checker(struct reader *parent, const char *key, const struct json *value)
{
    if (!field_kind(parent, key, value, JSON_OBJECT, "an object"))
        return false;
    struct reader r = { .job = parent->job, .stored = parent->stored, .e = parent->e };
    snprintf(r.where, sizeof r.where, "%s.", key);
    const struct json *type = json_get(value, "type");
    if (!type || json_kind(type) == JSON_NULL)
        return refuse(r.e, r.where, "type", "is missing");
    /* First, so that what belongs to one type is not the first complaint about another. */
    if (!read_checker_type(&r, "type", type) || !fields_read(&r, value, checker_fields))
        return false;
    if (r.job->checker.type == CHECKER_FLOATS)
        return true;
    for (const char *const *tolerance = (const char *const[]){ "absolute", "relative", NULL };
         *tolerance; tolerance++) {
        const struct json *given = json_get(value, *tolerance);
        if (given && json_kind(given) != JSON_NULL)
            return refuse(r.e, r.where, *tolerance, "belongs to the checker \"floats\"");
    }
    return true;
}

/* ---- the job ---- */

static bool read_id(struct reader *r, const char *key, const struct json *value)
{
    if (json_kind(value) != JSON_TEXT || !token_valid(json_as_str(value)))
        return refuse(r->e, r->where, key, "must be a token");
    memcpy(r->job->id, json_as_str(value).ptr, TOKEN_TEXT - 1);
    return true;
}

static bool read_created(struct reader *r, const char *key, const struct json *value)
{
    return field_int(r, key, value, 0, INT64_MAX, &r->job->created_us);
}

static bool read_language(struct reader *r, const char *key, const struct json *value)
{
    if (json_kind(value) == JSON_INT) {
        r->job->language = arena_printf(&r->job->arena, "%lld", (long long)json_as_int(value));
        return true;
    }
    if (json_kind(value) != JSON_TEXT)
        return refuse(r->e, r->where, key, "must be a name or a Judge0 id, not %s",
                      json_kind_name(value));
    return field_name(r, key, value, &r->job->language);
}

static bool read_entrypoint(struct reader *r, const char *key, const struct json *value)
{
    return field_name(r, key, value, &r->job->entrypoint);
}

static bool read_options(struct reader *r, const char *key, const struct json *value)
{
    return field_words(r, key, value, &r->job->compiler_options);
}

static bool read_args(struct reader *r, const char *key, const struct json *value)
{
    return field_words(r, key, value, &r->job->args);
}

static bool read_collect(struct reader *r, const char *key, const struct json *value)
{
    return field_words(r, key, value, &r->job->collect);
}

static bool read_limits(struct reader *r, const char *key, const struct json *value)
{
    return limits_from_json(value, key, &r->job->limits, r->e);
}

static bool read_single(struct reader *r, const char *key, const struct json *value)
{
    return field_flag(r, key, value, &r->single);
}

static bool read_stop(struct reader *r, const char *key, const struct json *value)
{
    return field_flag(r, key, value, &r->job->stop_on_failure);
}

static bool read_runs(struct reader *r, const char *key, const struct json *value)
{
    int64_t runs = 1;
    if (!field_int(r, key, value, 1, RUNS_MOST, &runs))
        return false;
    r->job->runs = (int)runs;
    return true;
}

static bool read_merge(struct reader *r, const char *key, const struct json *value)
{
    return field_flag(r, key, value, &r->job->merge_stderr);
}

static bool read_network(struct reader *r, const char *key, const struct json *value)
{
    return field_flag(r, key, value, &r->job->network);
}

static bool read_hints(struct reader *r, const char *key, const struct json *value)
{
    r->job->hints_given = json_kind(value) != JSON_NULL;
    return field_flag(r, key, value, &r->job->hints);
}

static bool read_cache(struct reader *r, const char *key, const struct json *value)
{
    int use;
    if (!field_choice(r, key, value, cache_names, &use))
        return false;
    r->job->cache_given = true;
    r->job->cache = (enum cache_use)use;
    return true;
}

static bool read_priority(struct reader *r, const char *key, const struct json *value)
{
    int priority;
    if (!field_choice(r, key, value, priority_names, &priority))
        return false;
    r->job->priority = (enum priority)priority;
    return true;
}

static bool read_retention(struct reader *r, const char *key, const struct json *value)
{
    int64_t seconds = 0;
    if (!field_int(r, key, value, 1, RETENTION_MOST, &seconds))
        return false;
    r->job->retention_us = seconds * US_PER_S;
    return true;
}

static bool read_retention_us(struct reader *r, const char *key, const struct json *value)
{
    return field_int(r, key, value, 0, RETENTION_MOST * US_PER_S, &r->job->retention_us);
}

static bool read_store(struct reader *r, const char *key, const struct json *value)
{
    bool store = true;
    if (!field_flag(r, key, value, &store))
        return false;
    r->job->forget = !store;
    return true;
}

static bool read_json_text(const struct reader *r, const char *key, const struct json *value,
                           size_t most, const char **ret)
{
    if (!field_kind(r, key, value, JSON_OBJECT, "an object"))
        return false;
    CLEANUP(buf_done) struct buf text = { 0 };
    json_dump(value, &text);
    if (text.len > most)
        return refuse(r->e, r->where, key, "is too long: %zu bytes of JSON, at most %zu", text.len,
                      most);
    *ret = arena_str(&r->job->arena, buf_str(&text)).ptr;
    return true;
}

static bool read_metadata(struct reader *r, const char *key, const struct json *value)
{
    return read_json_text(r, key, value, METADATA_BYTES, &r->job->metadata);
}

static bool read_face(struct reader *r, const char *key, const struct json *value)
{
    return read_json_text(r, key, value, SIZE_MAX, &r->job->face);
}

/* Where it leads is looked at by whoever sends there, each time. */
static bool read_url(const struct reader *r, const char *key, const struct json *value,
                     const char **ret)
{
    const char *url;
    if (!field_text(r, key, value, URL_BYTES, &url))
        return false;
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return refuse(r->e, r->where, key, "must begin with http:// or https://");
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return refuse(r->e, r->where, key, "must not hold spaces, controls or non-ASCII");
    *ret = url;
    return true;
}

static bool read_webhook(struct reader *r, const char *key, const struct json *value)
{
    return read_url(r, key, value, &r->job->webhook_url);
}

static bool read_callback(struct reader *r, const char *key, const struct json *value)
{
    return field_text(r, key, value, URL_BYTES, &r->job->callback_url);
}

static bool read_tenant(struct reader *r, const char *key, const struct json *value)
{
    return field_name(r, key, value, &r->job->tenant);
}

/* Kept by an earlier process: one that cannot be read is no reason to lose the job. */
static bool read_trace(struct reader *r, const char *key, const struct json *value)
{
    const char *text;
    if (!field_name(r, key, value, &text))
        return false;
    if (!trace_read(str_of(text), &r->job->trace))
        r->job->trace = (struct trace){ 0 };
    return true;
}

static bool read_tracestate(struct reader *r, const char *key, const struct json *value)
{
    return field_text(r, key, value, TRACESTATE_BYTES, &r->job->tracestate);
}

/* From when the job came, which is now: a client cannot give both. */
static bool read_delay(struct reader *r, const char *key, const struct json *value)
{
    double seconds = 0;
    if (!field_double(r, key, value, DELAY_MOST, &seconds))
        return false;
    if (seconds > 0)
        r->job->start_us = r->job->created_us + (int64_t)(seconds * (double)US_PER_S);
    return true;
}

static bool read_start(struct reader *r, const char *key, const struct json *value)
{
    return field_int(r, key, value, 0, INT64_MAX, &r->job->start_us);
}

static const struct field job_fields[] = {
    { "id", read_id, KEY_STORED },
    { "created_at_us", read_created, KEY_STORED },
    { "trace", read_trace, KEY_STORED },
    { "tracestate", read_tracestate, KEY_STORED },
    { "language", read_language },
    { "source", read_source },
    { "source_encoding", field_skip },
    { "files", read_files },
    { "entrypoint", read_entrypoint },
    { "compiler_options", read_options },
    { "args", read_args },
    { "env", read_env },
    { "stdin", read_stdin },
    { "stdin_encoding", field_skip },
    { "expected_output", read_expected },
    { "expected_output_encoding", field_skip },
    { "tests", read_tests },
    { "single", read_single, KEY_STORED },
    { "stop_on_failure", read_stop },
    { "checker", read_checker },
    { "limits", read_limits },
    { "runs", read_runs, KEY_STORED },
    { "merge_stderr", read_merge },
    { "network", read_network },
    { "hints", read_hints },
    { "cache", read_cache },
    { "priority", read_priority },
    { "retention_seconds", read_retention },
    { "retention_us", read_retention_us, KEY_STORED },
    { "metadata", read_metadata },
    { "webhook_url", read_webhook },
    { "callback_url", read_callback, KEY_STORED },
    { "tenant", read_tenant, KEY_STORED },
    { "delay_seconds", read_delay },
    { "start_at_us", read_start, KEY_STORED },
    { "collect", read_collect },
    { "store", read_store },
    { "face", read_face, KEY_STORED },
    { 0 },
};

static bool given(const struct json *json, const char *key)
{
    const struct json *value = json_get(json, key);
    return value && json_kind(value) != JSON_NULL;
}

/* stdin and expected_output make one test; tests[] makes many; both at once would be a riddle. */
static bool settle_tests(struct reader *r, const struct json *json, const struct job_test *single)
{
    struct job *job = r->job;
    if (!job->tests) {
        job->tests = arena_array(&job->arena, 1, sizeof *job->tests);
        job->tests[0] = *single;
        job->test_count = 1;
        return true;
    }
    for (const char *const *key = (const char *const[]){ "stdin", "expected_output", NULL }; *key;
         key++)
        if (given(json, *key))
            return refuse(r->e, "", *key, "cannot stand beside tests: put it into each test");
    job->has_tests = !r->single;
    if (r->stored)
        for (size_t i = 0; i < job->test_count; i++)
            limits_fill(&job->tests[i].limits, &job->limits);
    return true;
}

struct job *job_from_json(const struct json *json, bool stored, struct err *e)
{
    if (!json || json_kind(json) != JSON_OBJECT) {
        err_invalid(e, "", "a submission must be a JSON object, not %s",
                    json ? json_kind_name(json) : "nothing");
        return NULL;
    }
    CLEANUP(job_free) struct job *job = job_new();
    struct job_test single = { 0 };
    test_init(job, &single, 0);
    struct reader r = { .job = job, .stored = stored, .e = e, .test = &single };
    if (!fields_read(&r, json, job_fields) || !settle_tests(&r, json, &single))
        return NULL;
    if (!job->language) {
        refuse(e, "", "language", "is missing");
        return NULL;
    }
    if (!job->files) {
        refuse(e, "", "source", "is missing");
        return NULL;
    }
    return TAKE(job);
}
