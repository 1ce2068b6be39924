/* SPDX-License-Identifier: Apache-2.0 */
#include "http/render.h"

#include <signal.h>

#include "base/clock.h"

static void put_int_or_null(struct json_writer *w, const char *key, bool known, int64_t value)
{
    json_put_key(w, key);
    if (known)
        json_put_int(w, value);
    else
        json_put_null(w);
}

/* Milliseconds, down to the microsecond: 12.345. */
static void put_ms(struct json_writer *w, const char *key, int64_t us)
{
    json_put_key(w, key);
    json_put_double(w, (double)us / 1000.0);
}

static void put_ms_or_null(struct json_writer *w, const char *key, bool known, int64_t us)
{
    if (known)
        put_ms(w, key, MAX(us, 0));
    else
        json_member_text(w, key, NULL);
}

static void put_time(struct json_writer *w, const char *key, int64_t us)
{
    char text[32];
    wall_text(us, text, sizeof text);
    json_member_text(w, key, us ? text : NULL);
}

static void put_words(struct json_writer *w, const char *key, const char *const *words)
{
    json_put_key(w, key);
    json_put_array(w);
    for (; words && *words; words++)
        json_put_text(w, *words);
    json_put_array_end(w);
}

/* ---- outcomes ---- */

/* Output of a program: never null once it ran. */
static void put_output(struct json_writer *w, const char *key, const char *encoding_key,
                       struct str bytes)
{
    json_put_bytes(w, key, encoding_key, bytes.ptr ? bytes : STR(""));
}

static void put_exit(struct json_writer *w, const struct outcome *o)
{
    const char *abbreviation = o->signal ? sigabbrev_np(o->signal) : NULL;
    char name[32];
    snprintf(name, sizeof name, "SIG%s", abbreviation ? abbreviation : "");
    put_int_or_null(w, "exit_code", o->exit_code >= 0, o->exit_code);
    put_int_or_null(w, "signal", o->signal != 0, o->signal);
    json_member_text(w, "signal_name", abbreviation ? name : NULL);
}

static void put_usage(struct json_writer *w, int64_t cpu_us, int64_t wall_us, int64_t memory_bytes)
{
    json_put_key(w, "usage");
    json_put_object(w);
    put_ms(w, "cpu_time_ms", cpu_us);
    put_ms(w, "wall_time_ms", wall_us);
    json_member_int(w, "memory_bytes", memory_bytes);
    json_put_object_end(w);
}

/* Only for jobs that asked for files. */
static void put_output_files(struct json_writer *w, const struct outcome *o)
{
    if (o->file_count == 0 && !o->files_cut)
        return;
    json_put_key(w, "output_files");
    json_put_array(w);
    for (size_t i = 0; i < o->file_count; i++) {
        json_put_object(w);
        json_member_text(w, "path", o->files[i].path);
        json_put_bytes(w, "content", "encoding", o->files[i].content);
        json_put_object_end(w);
    }
    json_put_array_end(w);
    json_member_bool(w, "output_files_truncated", o->files_cut);
}

static void put_streams(struct json_writer *w, const struct outcome *o)
{
    put_output(w, "stdout", "stdout_encoding", o->out);
    put_output(w, "stderr", "stderr_encoding", o->err);
    json_member_bool(w, "stdout_truncated", o->out_cut);
    json_member_bool(w, "stderr_truncated", o->err_cut);
    put_exit(w, o);
    put_output_files(w, o);
}

static void put_no_streams(struct json_writer *w)
{
    static const char *const keys[] = { "stdout",           "stderr",    "stdout_truncated",
                                        "stderr_truncated", "exit_code", "signal",
                                        "signal_name" };
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        json_member_text(w, keys[i], NULL);
}

static void put_test_members(struct json_writer *w, const struct test_result *t)
{
    const struct outcome *o = &t->outcome;
    json_member_text(w, "id", t->id);
    json_member_text(w, "verdict", verdict_name(o->verdict));
    json_member_text(w, "limit_exceeded", o->limit);
    json_member_text(w, "message", o->message);
    put_streams(w, o);
    put_usage(w, o->cpu_us, o->wall_us, o->memory_bytes);
    json_put_key(w, "weight");
    json_put_double(w, t->weight);
}

static void put_test(struct json_writer *w, const struct test_result *t)
{
    json_put_object(w);
    put_test_members(w, t);
    json_put_object_end(w);
}

void render_test(const struct test_result *t, size_t index, struct buf *out)
{
    struct json_writer w = { .out = out };
    json_put_object(&w);
    json_member_int(&w, "index", (int64_t)index);
    put_test_members(&w, t);
    json_put_object_end(&w);
}

static void put_compile(struct json_writer *w, const struct result *result)
{
    json_put_key(w, "compile");
    if (!result || !result->compiled) {
        json_put_null(w);
        return;
    }
    const struct outcome *o = &result->compile;
    json_put_object(w);
    put_output(w, "output", "output_encoding", o->out);
    json_member_bool(w, "output_truncated", o->out_cut);
    json_member_text(w, "limit_exceeded", o->limit);
    put_exit(w, o);
    json_member_bool(w, "cached", result->cached);
    put_usage(w, o->cpu_us, o->wall_us, o->memory_bytes);
    json_put_object_end(w);
}

/* The limit of the first test that ran into one, or of the build. */
static const char *limit_exceeded(const struct result *result)
{
    if (!result)
        return NULL;
    if (result->verdict == VERDICT_COMPILE_ERROR)
        return result->compile.limit;
    for (size_t i = 0; i < result->test_count; i++)
        if (result->tests[i].outcome.verdict == result->verdict)
            return result->tests[i].outcome.limit;
    return NULL;
}

static const char *message_of(const struct result *result)
{
    if (!result || result->message)
        return result ? result->message : NULL;
    for (size_t i = 0; i < result->test_count; i++)
        if (result->tests[i].outcome.verdict == result->verdict)
            return result->tests[i].outcome.message;
    return NULL;
}

/* ---- submissions ---- */

static void put_timings(struct json_writer *w, const struct record *record)
{
    const struct result *result = record->result;
    int64_t started = result && result->started_us ? result->started_us : record->started_us;
    json_put_key(w, "timings");
    json_put_object(w);
    put_ms_or_null(w, "queued_ms", started != 0, started - record->created_us);
    put_ms_or_null(w, "compile_ms", result && result->compiled, result ? result->compile_us : 0);
    put_ms_or_null(w, "run_ms", result && result->test_count, result ? result->run_us : 0);
    put_ms_or_null(w, "total_ms", record->finished_us != 0,
                   record->finished_us - record->created_us);
    json_put_object_end(w);
}

static void put_metadata(struct json_writer *w, const struct job *job)
{
    json_put_key(w, "metadata");
    if (job->metadata)
        json_put_raw(w, str_of(job->metadata));
    else
        json_put_null(w);
}

/* What the rows of the history and whole submissions have in common. */
static void put_head(struct json_writer *w, const struct record *record)
{
    const struct result *result = record->result;
    json_member_text(w, "token", record->id);
    json_member_text(w, "state", state_name(record->state));
    json_member_text(w, "verdict", result ? verdict_name(result->verdict) : NULL);
    json_member_text(w, "limit_exceeded", limit_exceeded(result));
    json_member_text(w, "message", message_of(result));
    json_member_text(w, "language", record->job->language);
    json_member_text(w, "trace_id", record->job->trace.id[0] ? record->job->trace.id : NULL);
    put_time(w, "created_at", record->created_us);
    put_time(w, "started_at", record->started_us);
    put_time(w, "finished_at", record->finished_us);
    json_member_int(w, "attempts", record->attempts);
    json_member_bool(w, "cancel_requested", record->cancel_asked);
    json_member_text(w, "priority", priority_name(record->job->priority));
    put_metadata(w, record->job);
    json_member_bool(w, "reused", result && result->reused);
    if (result && result->test_count) {
        json_put_key(w, "score");
        json_put_double(w, result->score);
        put_usage(w, result->cpu_us, result->wall_us, result->memory_bytes);
        json_member_text(w, "measured_by", result->rusage_only ? "rusage" : "cgroup");
    } else {
        json_member_text(w, "score", NULL);
        json_member_text(w, "usage", NULL);
        json_member_text(w, "measured_by", NULL);
    }
}

static void put_files(struct json_writer *w, const struct job *job)
{
    json_put_key(w, "files");
    json_put_array(w);
    for (size_t i = 0; i < job->file_count; i++) {
        json_put_object(w);
        json_member_text(w, "path", job->files[i].path);
        put_output(w, "content", "encoding", job->files[i].content);
        json_put_object_end(w);
    }
    json_put_array_end(w);
}

static void put_tests(struct json_writer *w, const struct record *record)
{
    const struct result *result = record->result;
    bool listed = record->job->has_tests;
    if (!listed && result && result->test_count)
        put_streams(w, &result->tests[0].outcome);
    else
        put_no_streams(w);
    json_put_key(w, "tests");
    if (!listed) {
        json_put_null(w);
        return;
    }
    json_put_array(w);
    for (size_t i = 0; result && i < result->test_count; i++)
        put_test(w, &result->tests[i]);
    json_put_array_end(w);
}

/* As sentences, and as what can be told apart; only for jobs that want hints. */
static void put_hints(struct json_writer *w, const struct record *record)
{
    const struct result *result = record->result;
    size_t count = result ? result->hint_count : 0;
    json_put_key(w, "hints");
    json_put_array(w);
    for (size_t i = 0; i < count; i++)
        json_put_text(w, result->hints[i].text);
    json_put_array_end(w);
    json_put_key(w, "hint_details");
    json_put_array(w);
    for (size_t i = 0; i < count; i++) {
        const struct hint *h = &result->hints[i];
        json_put_object(w);
        json_member_text(w, "id", h->id);
        json_member_text(w, "title", h->title);
        json_member_text(w, "text", h->text);
        json_member_text(w, "confidence", h->confidence);
        put_int_or_null(w, "line", h->line != 0, h->line);
        json_member_text(w, "test", h->test);
        json_member_text(w, "link", h->link);
        json_member_bool(w, "follow_up", h->follow_up);
        json_put_object_end(w);
    }
    json_put_array_end(w);
}

void render_submission(const struct record *record, bool with_source, struct json_writer *w)
{
    json_put_object(w);
    put_head(w, record);
    put_compile(w, record->result);
    put_tests(w, record);
    if (record->job->hints)
        put_hints(w, record);
    json_put_key(w, "limits");
    limits_to_json(&record->job->limits, w);
    put_timings(w, record);
    if (with_source)
        put_files(w, record->job);
    json_put_object_end(w);
}

void render_summary(const struct record *record, struct json_writer *w)
{
    json_put_object(w);
    put_head(w, record);
    put_timings(w, record);
    json_put_object_end(w);
}

/* ---- languages ---- */

void render_language(const struct language *l, struct json_writer *w)
{
    json_put_object(w);
    json_member_text(w, "id", l->id);
    json_member_text(w, "name", l->name);
    json_member_text(w, "version", l->version);
    put_words(w, "aliases", l->aliases);
    json_put_key(w, "judge0_ids");
    json_put_array(w);
    for (size_t i = 0; i < l->judge0_count; i++)
        if (!l->judge0[i].archived)
            json_put_int(w, l->judge0[i].id);
    json_put_array_end(w);
    json_member_bool(w, "offered", l->offered);
    json_member_text(w, "package", l->package);
    json_member_text(w, "source_file", l->source_file);
    json_member_bool(w, "compiled", l->build.argv != NULL);
    json_put_object_end(w);
}
