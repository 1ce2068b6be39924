/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_engine.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"

enum { HUNG_MAX = 64 };

struct engine {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum fake_answer answers[16];
    size_t count, next;
    int submitted;
    void (*before)(void *arg, const char *id);
    void *before_arg;
    struct {
        char id[TOKEN_TEXT];
        struct engine_sink sink;
    } hung[HUNG_MAX];
    size_t hung_count;
};

struct engine *fake_engine_new(void)
{
    struct engine *en = calloc(1, sizeof *en);
    CHECK(en);
    pthread_mutex_init(&en->lock, NULL);
    pthread_cond_init(&en->changed, NULL);
    en->count = 1;
    return en;
}

void fake_engine_free(struct engine *en)
{
    free(en);
}

void fake_engine_script(struct engine *en, const enum fake_answer *answers, size_t count)
{
    CHECK(count <= COUNT_OF(en->answers));
    memcpy(en->answers, answers, count * sizeof *answers);
    en->count = count;
    en->next = 0;
}

void fake_engine_before_submit(struct engine *en, void (*fn)(void *arg, const char *id), void *arg)
{
    en->before = fn;
    en->before_arg = arg;
}

bool fake_engine_wait_submitted(struct engine *en, int count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    pthread_mutex_lock(&en->lock);
    int timed_out = 0;
    while (en->submitted < count && !timed_out)
        timed_out = pthread_cond_timedwait(&en->changed, &en->lock, &until);
    bool ok = en->submitted >= count;
    pthread_mutex_unlock(&en->lock);
    return ok;
}

static struct result *accepted(void)
{
    struct result *r = result_new();
    r->verdict = VERDICT_ACCEPTED;
    r->tests = arena_array(&r->arena, 1, sizeof *r->tests);
    r->test_count = 1;
    r->tests[0] = (struct test_result){ .id = "1", .weight = 1 };
    r->tests[0].outcome.verdict = VERDICT_ACCEPTED;
    r->started_us = r->finished_us = wall_us();
    return r;
}

void engine_submit(struct engine *en, const struct job *job, UNUSED int attempt,
                   struct engine_sink sink)
{
    if (en->before)
        en->before(en->before_arg, job->id);
    pthread_mutex_lock(&en->lock);
    enum fake_answer answer = en->answers[en->next];
    if (en->next + 1 < en->count)
        en->next++;
    if (answer == FAKE_HANG) {
        CHECK(en->hung_count < HUNG_MAX);
        memcpy(en->hung[en->hung_count].id, job->id, TOKEN_TEXT);
        en->hung[en->hung_count++].sink = sink;
    }
    en->submitted++;
    pthread_cond_broadcast(&en->changed);
    pthread_mutex_unlock(&en->lock);

    struct err e;
    err_set(&e, ERR_SYSTEM, "lane broke");
    if (answer == FAKE_ACCEPTED) {
        struct result *result = accepted();
        if (sink.test_done)
            sink.test_done(sink.arg, &result->tests[0], 0);
        sink.finished(sink.arg, result, NULL);
    } else if (answer == FAKE_TROUBLE) {
        sink.finished(sink.arg, NULL, &e);
    }
}

int engine_wait_room(struct engine *en, UNUSED int64_t wait_us)
{
    return en != NULL;
}

void engine_cancel(struct engine *en, const char *id)
{
    struct engine_sink sink = { 0 };
    pthread_mutex_lock(&en->lock);
    for (size_t i = 0; i < en->hung_count; i++) {
        if (strcmp(en->hung[i].id, id) == 0) {
            sink = en->hung[i].sink;
            en->hung[i] = en->hung[--en->hung_count];
            break;
        }
    }
    pthread_mutex_unlock(&en->lock);
    if (sink.finished)
        sink.finished(sink.arg, result_cancelled(), NULL);
}

void engine_stop(struct engine *en)
{
    struct err e;
    err_set(&e, ERR_UNAVAILABLE, "stopping");
    while (en->hung_count) {
        struct engine_sink sink = en->hung[--en->hung_count].sink;
        sink.finished(sink.arg, NULL, &e);
    }
}

void engine_stats(UNUSED struct engine *en, struct engine_stats *ret)
{
    *ret = (struct engine_stats){ .lanes = 1 };
}
