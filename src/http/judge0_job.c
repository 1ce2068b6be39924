/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a checked Judge0 submission to an ordinary job. What the job cannot say (the id that was
 * used, limits in their own units) is kept beside it as the echo: an object with one key per
 * column, each value already in the form that is shown.
 */
#include <math.h>

#include "http/judge0.h"

const char *judge0_decimal(double value, struct arena *arena)
{
    char *text = arena_printf(arena, "%.9f", value);
    size_t len = strlen(text);
    while (len > 2 && text[len - 1] == '0' && text[len - 2] != '.')
        text[--len] = '\0';
    return text;
}

static int64_t seconds_us(double seconds)
{
    return llround(seconds * 1e6);
}

/* What a program finds in its environment there, beside what every program of evalX has. */
static const char **environment_of(struct arena *arena, const struct context *context)
{
    const char *locale = context->locale;
    const char *const list[] = {
        arena_printf(arena, "LANG=%s", locale),
        arena_printf(arena, "LC_ALL=%s", locale),
        "LANGUAGE=en_US:en",
        "JUDGE0_HOMEPAGE=" JUDGE0_HOMEPAGE,
        "JUDGE0_SOURCE_CODE=" JUDGE0_SOURCE_CODE,
        "JUDGE0_MAINTAINER=" JUDGE0_MAINTAINER,
        arena_printf(arena, "JUDGE0_VERSION=%s", context->config.judge0.version),
        "LIBC_FATAL_STDERR_=1",
    };
    const char **env = arena_array(arena, COUNT_OF(list) + 1, sizeof *env);
    memcpy(env, list, sizeof list);
    return env;
}

static struct limits limits_of(const struct judge0_submission *s)
{
    return (struct limits){
        .cpu_us = seconds_us(s->cpu_time_limit),
        .cpu_extra_us = seconds_us(s->cpu_extra_time),
        .wall_us = seconds_us(s->wall_time_limit),
        .memory_bytes = s->memory_limit * 1024,
        .stack_bytes = s->stack_limit * 1024,
        .processes = s->max_processes_and_or_threads,
        .output_bytes = s->max_file_size * 1024,
        .file_bytes = s->max_file_size * 1024,
    };
}

static const char **words_of(struct str text, struct arena *arena)
{
    return judge0_split(judge0_filter(text.ptr ? text : STR(""), arena), arena);
}

struct job *judge0_job(const struct judge0_submission *s, const struct context *context)
{
    struct job *job = job_new();
    struct arena *arena = &job->arena;
    job->language = arena_printf(arena, "%lld", (long long)s->language_id);
    job->files = arena_array(arena, 1, sizeof *job->files);
    job->files[0].content = arena_str(arena, s->source_code);
    job->file_count = 1;
    job->compiler_options = words_of(s->compiler_options, arena);
    job->args = words_of(s->command_line_arguments, arena);
    job->env = environment_of(arena, context);
    job->limits = limits_of(s);
    job->tests = arena_array(arena, 1, sizeof *job->tests);
    job->tests[0] = (struct job_test){
        .id = "1",
        .stdin_data = arena_str(arena, s->stdin_data),
        .expected = arena_str(arena, s->expected_output),
        .limits = job->limits,
        .weight = 1,
    };
    job->test_count = 1;
    job->runs = (int)s->number_of_runs;
    job->merge_stderr = s->redirect_stderr_to_stdout;
    job->network = s->enable_network;
    if (s->callback_url.len && s->callback_url.ptr[0] > ' ') /* a checked URL, or blank */
        job->callback_url = arena_str(arena, s->callback_url).ptr;

    CLEANUP(buf_done) struct buf face = { 0 };
    judge0_face_put(s, judge0_language_name(s->language, s->name, arena), &face);
    job->face = arena_str(arena, buf_str(&face)).ptr;
    return job;
}

/* ---- the echo ---- */

static void put_text(struct json_writer *w, const char *key, struct str value)
{
    json_put_key(w, key);
    if (value.ptr)
        json_put_str(w, value);
    else
        json_put_null(w);
}

static void put_seconds(struct json_writer *w, const char *key, double value)
{
    struct arena arena = { 0 };
    json_put_key(w, key);
    json_put_text(w, judge0_decimal(value, &arena));
    arena_done(&arena);
}

void judge0_face_put(const struct judge0_submission *s, const char *language_name, struct buf *out)
{
    struct json_writer w = { .out = out };
    json_put_object(&w);
    json_member_int(&w, "language_id", s->language_id);
    put_text(&w, "language_name", str_of(language_name));
    json_member_int(&w, "number_of_runs", s->number_of_runs);
    put_seconds(&w, "cpu_time_limit", s->cpu_time_limit);
    put_seconds(&w, "cpu_extra_time", s->cpu_extra_time);
    put_seconds(&w, "wall_time_limit", s->wall_time_limit);
    json_member_int(&w, "memory_limit", s->memory_limit);
    json_member_int(&w, "stack_limit", s->stack_limit);
    json_member_int(&w, "max_processes_and_or_threads", s->max_processes_and_or_threads);
    json_member_bool(&w, "enable_per_process_and_thread_time_limit",
                     s->enable_per_process_and_thread_time_limit);
    json_member_bool(&w, "enable_per_process_and_thread_memory_limit",
                     s->enable_per_process_and_thread_memory_limit);
    json_member_int(&w, "max_file_size", s->max_file_size);
    put_text(&w, "compiler_options", s->compiler_options);
    put_text(&w, "command_line_arguments", s->command_line_arguments);
    json_member_bool(&w, "redirect_stderr_to_stdout", s->redirect_stderr_to_stdout);
    put_text(&w, "callback_url", s->callback_url);
    put_text(&w, "additional_files", s->additional_files);
    json_member_bool(&w, "enable_network", s->enable_network);
    json_put_object_end(&w);
}

/* Words as one line of text; NULL for none. */
static struct str joined(const char *const *words, struct arena *arena)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    for (size_t i = 0; words[i]; i++)
        buf_addf(&text, "%s%s", i ? " " : "", words[i]);
    return words[0] ? arena_str(arena, buf_str(&text)) : STR_NULL;
}

static double us_seconds(int64_t us)
{
    return us == LIMIT_UNSET ? 0 : (double)us / 1e6;
}

/* Bytes in whole kilobytes, as near as that column can say it. */
static int64_t kilobytes(int64_t bytes)
{
    return bytes == LIMIT_UNSET ? 0 : (bytes + 1023) / 1024;
}

void judge0_face_of_native(const struct job *job, const struct context *context,
                           struct arena *arena, struct buf *out)
{
    struct err e;
    const struct language *l = catalogue_find(context->catalogue, str_of(job->language), &e);
    bool known = l && l->judge0_count > 0;
    const struct limits *limits = &job->limits;
    struct judge0_submission s = {
        .language_id = known ? l->judge0[0].id : 0,
        .number_of_runs = job->runs,
        .cpu_time_limit = us_seconds(limits->cpu_us),
        .cpu_extra_time = us_seconds(limits->cpu_extra_us),
        .wall_time_limit = us_seconds(limits->wall_us),
        .memory_limit = kilobytes(limits->memory_bytes),
        .stack_limit = kilobytes(limits->stack_bytes),
        .max_processes_and_or_threads = limits->processes,
        .max_file_size = kilobytes(limits->output_bytes),
        .compiler_options = joined(job->compiler_options, arena),
        .command_line_arguments = joined(job->args, arena),
        .redirect_stderr_to_stdout = job->merge_stderr,
        .enable_network = job->network,
    };
    judge0_face_put(&s, known ? judge0_language_name(l, &l->judge0[0], arena) : job->language, out);
}
