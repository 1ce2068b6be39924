/* SPDX-License-Identifier: Apache-2.0 */
#include "job/job.h"

#include "base/clock.h"
#include "job/job_names.h"

const char *const priority_names[] = {
    [PRIORITY_LOW] = "low",
    [PRIORITY_NORMAL] = "normal",
    [PRIORITY_HIGH] = "high",
    [PRIORITY_COUNT] = NULL,
};

const char *const cache_names[] = {
    [CACHE_BUILD] = "build",
    [CACHE_RESULT] = "result",
    [CACHE_NONE] = "none",
    [CACHE_NONE + 1] = NULL,
};

const char *const checker_names[] = {
    [CHECKER_LINES] = "lines",   [CHECKER_EXACT] = "exact",         [CHECKER_TOKENS] = "tokens",
    [CHECKER_FLOATS] = "floats", [CHECKER_UNORDERED] = "unordered", [CHECKER_UNORDERED + 1] = NULL,
};

const char *priority_name(enum priority p)
{
    CHECK((unsigned)p < PRIORITY_COUNT);
    return priority_names[p];
}

static const char *const no_words[] = { NULL };

struct job *job_new(void)
{
    struct job *job = calloc(1, sizeof *job);
    CHECK(job);
    token_new(job->id);
    job->created_us = wall_us();
    job->compiler_options = (const char **)(uintptr_t)no_words;
    job->args = (const char **)(uintptr_t)no_words;
    job->collect = (const char **)(uintptr_t)no_words;
    job->env = (const char **)(uintptr_t)no_words;
    job->limits = limits_unset();
    job->checker = (struct checker){ .absolute = 1e-6, .relative = 1e-6 };
    job->runs = 1;
    job->priority = PRIORITY_NORMAL;
    return job;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    arena_done(&job->arena);
    free(job);
}

/* ---- the stored form ---- */

static void put_raw(struct json_writer *w, const char *key, const char *json)
{
    if (!json)
        return;
    json_put_key(w, key);
    json_put_raw(w, str_of(json));
}

/* Contents always stand there, so an empty one is not null. */
static void put_bytes(struct json_writer *w, const char *key, const char *encoding_key,
                      struct str bytes)
{
    json_put_bytes(w, key, encoding_key, bytes.ptr ? bytes : STR(""));
}

static void put_words(struct json_writer *w, const char *key, const char *const *words)
{
    json_put_key(w, key);
    json_put_array(w);
    for (; *words; words++)
        json_put_text(w, *words);
    json_put_array_end(w);
}

/* Before job_check() a source has no path yet. */
static void put_files(struct json_writer *w, const struct job *job)
{
    if (job->file_count == 1 && !job->files[0].path) {
        put_bytes(w, "source", "source_encoding", job->files[0].content);
        return;
    }
    json_put_key(w, "files");
    json_put_array(w);
    for (size_t i = 0; i < job->file_count; i++) {
        json_put_object(w);
        json_member_text_if(w, "path", job->files[i].path);
        put_bytes(w, "content", "encoding", job->files[i].content);
        json_put_object_end(w);
    }
    json_put_array_end(w);
}

static void put_env(struct json_writer *w, const char *const *env)
{
    if (!*env)
        return;
    json_put_key(w, "env");
    json_put_object(w);
    for (; *env; env++) {
        const char *equals = strchr(*env, '=');
        CHECK(equals);
        CLEANUP(buf_done) struct buf name = { 0 };
        buf_add(&name, *env, (size_t)(equals - *env));
        json_member_text_if(w, name.ptr, equals + 1);
    }
    json_put_object_end(w);
}

/* Only the limits in which a test differs from its job: there may be thousands of tests. */
static void put_test_limits(struct json_writer *w, const struct job *job,
                            const struct job_test *test)
{
    struct limits own = test->limits, unset = limits_unset();
    for (size_t i = 0; i < limit_count; i++)
        if (limit_get(&own, &limit_infos[i]) == limit_get(&job->limits, &limit_infos[i]))
            limit_set(&own, &limit_infos[i], LIMIT_UNSET);
    if (memcmp(&own, &unset, sizeof own) == 0)
        return;
    json_put_key(w, "limits");
    limits_to_json(&own, w);
}

static void put_test(struct json_writer *w, const struct job *job, const struct job_test *test)
{
    json_put_object(w);
    json_member_text_if(w, "id", test->id);
    if (test->stdin_data.ptr)
        json_put_bytes(w, "stdin", "stdin_encoding", test->stdin_data);
    if (test->expected.ptr)
        json_put_bytes(w, "expected_output", "expected_output_encoding", test->expected);
    if (test->args)
        put_words(w, "args", test->args);
    put_test_limits(w, job, test);
    if (test->weight != 1) {
        json_put_key(w, "weight");
        json_put_double(w, test->weight);
    }
    json_put_object_end(w);
}

static void put_tests(struct json_writer *w, const struct job *job)
{
    json_member_true(w, "single", !job->has_tests);
    json_put_key(w, "tests");
    json_put_array(w);
    for (size_t i = 0; i < job->test_count; i++)
        put_test(w, job, &job->tests[i]);
    json_put_array_end(w);
}

static void put_checker(struct json_writer *w, const struct checker *checker)
{
    json_put_key(w, "checker");
    json_put_object(w);
    json_member_text_if(w, "type", checker_names[checker->type]);
    if (checker->type == CHECKER_FLOATS) {
        json_put_key(w, "absolute");
        json_put_double(w, checker->absolute);
        json_put_key(w, "relative");
        json_put_double(w, checker->relative);
    }
    json_member_true(w, "ignore_case", checker->ignore_case);
    json_put_object_end(w);
}

/* What decides the result, inside an object. */
static void put_work(struct json_writer *w, const struct job *job)
{
    json_member_text_if(w, "language", job->language);
    put_files(w, job);
    json_member_text_if(w, "entrypoint", job->entrypoint);
    put_words(w, "compiler_options", job->compiler_options);
    put_words(w, "args", job->args);
    put_env(w, job->env);
    put_words(w, "collect", job->collect);
    json_put_key(w, "limits");
    limits_to_json(&job->limits, w);

    put_tests(w, job);
    json_member_true(w, "stop_on_failure", job->stop_on_failure);
    put_checker(w, &job->checker);
    json_member_int(w, "runs", job->runs);

    json_member_true(w, "merge_stderr", job->merge_stderr);
    json_member_true(w, "network", job->network);
    json_member_true(w, "hints", job->hints);
}

/* All but the id and the times, inside an object. */
static void put_asked(struct json_writer *w, const struct job *job)
{
    put_work(w, job);
    json_member_text_if(w, "cache", cache_names[job->cache]);
    json_member_text_if(w, "priority", priority_name(job->priority));
    json_member_int(w, "retention_us", job->retention_us);
    if (job->forget) {
        json_put_key(w, "store");
        json_put_bool(w, false);
    }
    put_raw(w, "metadata", job->metadata);
    json_member_text_if(w, "webhook_url", job->webhook_url);
    json_member_text_if(w, "callback_url", job->callback_url);
    json_member_text_if(w, "tenant", job->tenant);
    put_raw(w, "face", job->face);
}

void job_to_json(const struct job *job, struct buf *out)
{
    struct json_writer w = { .out = out };
    json_put_object(&w);
    json_member_text_if(&w, "id", job->id);
    json_member_int(&w, "created_at_us", job->created_us);
    char trace[TRACEPARENT_TEXT];
    trace_text(&job->trace, trace);
    json_member_text_if(&w, "trace", *trace ? trace : NULL);
    json_member_text_if(&w, "tracestate", job->tracestate);
    if (job->start_us)
        json_member_int(&w, "start_at_us", job->start_us);
    put_asked(&w, job);
    json_put_object_end(&w);
}

void job_work_hash(const struct job *job, char out[HASH_TEXT])
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct json_writer w = { .out = &text };
    json_put_object(&w);
    put_work(&w, job);
    json_put_object_end(&w);
    struct hash *h = hash_new();
    hash_add(h, buf_str(&text));
    hash_finish(h, out);
}

void job_fingerprint(const struct job *job, char out[HASH_TEXT])
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct json_writer w = { .out = &text };
    json_put_object(&w);
    put_asked(&w, job);
    json_put_object_end(&w);
    struct hash *h = hash_new();
    hash_add(h, buf_str(&text));
    hash_add_int(h, job->start_us ? job->start_us - job->created_us : 0);
    hash_finish(h, out);
}
