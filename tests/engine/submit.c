/* SPDX-License-Identifier: Apache-2.0 */
#include "submit.h"

#include "base/clock.h"

static const struct limits limits = {
    .cpu_us = 2 * US_PER_S,
    .wall_us = 10 * US_PER_S,
    .memory_bytes = 128 << 20,
    .stack_bytes = 64 << 20,
    .processes = 64,
    .output_bytes = 1 << 20,
    .file_bytes = 1 << 20,
};

void job_tests(struct job *job, size_t count, const char *input, const char *expected)
{
    job->tests = arena_array(&job->arena, count, sizeof *job->tests);
    job->test_count = count;
    for (size_t i = 0; i < count; i++)
        job->tests[i] = (struct job_test){ .id = arena_printf(&job->arena, "%zu", i + 1),
                                           .stdin_data = str_of(input),
                                           .expected = str_of(expected),
                                           .limits = limits,
                                           .weight = 1 };
}

struct job *job_of(const char *language, const char *source)
{
    struct job *job = job_new();
    job->language = language;
    job->files = arena_array(&job->arena, 1, sizeof *job->files);
    job->files[0] = (struct job_file){ "main.src", arena_str(&job->arena, str_of(source)) };
    job->file_count = 1;
    job->compiler_options = arena_array(&job->arena, 1, sizeof(char *));
    job->args = arena_array(&job->arena, 1, sizeof(char *));
    job->env = arena_array(&job->arena, 1, sizeof(char *));
    job->limits = limits;
    job->runs = 1;
    job_tests(job, 1, NULL, NULL);
    return job;
}

static void on_test_done(void *arg, const struct test_result *t, size_t index)
{
    struct submitted *s = arg;
    pthread_mutex_lock(&s->lock);
    CHECK(!s->telling && !s->done && t->outcome.verdict != VERDICT_NONE);
    s->telling = true;
    pthread_mutex_unlock(&s->lock);

    pthread_mutex_lock(&s->lock);
    if (s->told_count < TOLD_MAX)
        s->told[s->told_count++] = index;
    s->telling = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_finished(void *arg, struct result *result, const struct err *e)
{
    struct submitted *s = arg;
    pthread_mutex_lock(&s->lock);
    s->finished_calls++;
    s->result = result;
    if (!result)
        s->err = *e;
    s->done = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

struct submitted *submit(struct engine *en, struct job *job)
{
    struct submitted *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->job = job;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    engine_submit(en, job, 1, (struct engine_sink){ on_test_done, on_finished, s });
    return s;
}

struct result *submitted_wait(struct submitted *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->done)
        pthread_cond_wait(&s->changed, &s->lock);
    CHECK(s->finished_calls == 1);
    pthread_mutex_unlock(&s->lock);
    return s->result;
}

void submitted_free(struct submitted *s)
{
    if (!s)
        return;
    submitted_wait(s);
    result_free(s->result);
    job_free(s->job);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
