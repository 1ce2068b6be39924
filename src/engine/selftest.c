/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/selftest.h"

#include <pthread.h>

#include "base/clock.h"

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    struct result *result;
    struct err err;
};

static void on_finished(void *arg, struct result *result, const struct err *e)
{
    struct waiter *w = arg;
    pthread_mutex_lock(&w->lock);
    w->result = result;
    if (!result)
        w->err = *e;
    w->done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* Generous: the question is whether the language works, not how fast this machine is. */
static struct limits generous(const struct language *lang)
{
    double memory = 256e6 * MAX(lang->memory_factor, 1.0) + (double)lang->memory_extra_bytes;
    return (struct limits){
        .cpu_us = 20 * US_PER_S,
        .wall_us = 60 * US_PER_S,
        .memory_bytes = (int64_t)memory,
        .stack_bytes = INT64_C(64) << 20,
        .processes = MAX(lang->processes_least, 64),
        .output_bytes = 1 << 20,
        .file_bytes = 1 << 20,
    };
}

static struct job *job_of(const struct language *lang)
{
    struct job *job = job_new();
    struct arena *arena = &job->arena;
    job->language = lang->id;
    job->files = arena_array(arena, 1, sizeof *job->files);
    job->files[0] = (struct job_file){ lang->source_file, str_of(lang->test_source) };
    job->file_count = 1;
    job->compiler_options = arena_array(arena, 1, sizeof(char *));
    job->args = arena_array(arena, 1, sizeof(char *));
    job->env = arena_array(arena, 1, sizeof(char *));
    job->limits = generous(lang);
    job->tests = arena_array(arena, 1, sizeof *job->tests);
    job->tests[0] = (struct job_test){ .id = "1",
                                       .stdin_data = str_of(lang->test_stdin),
                                       .expected = str_of(lang->test_expected),
                                       .limits = job->limits,
                                       .weight = 1 };
    job->test_count = 1;
    job->checker.type = CHECKER_LINES;
    job->runs = 1;
    job->cache = CACHE_NONE;
    return job;
}

bool language_selftest(struct engine *en, const struct language *lang, struct result **ret,
                       struct err *e)
{
    if (!lang->test_source || !lang->test_expected)
        return err_set(e, ERR_NOT_FOUND, "%s has no test program", lang->id);
    CLEANUP(job_free) struct job *job = job_of(lang);
    struct waiter w = { .done = false };
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);

    engine_submit(en, job, 1, (struct engine_sink){ .finished = on_finished, .arg = &w });
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);

    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    if (!w.result) {
        *e = w.err;
        return err_add(e, "%s", lang->id);
    }
    *ret = w.result;
    return true;
}
