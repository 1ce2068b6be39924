/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language model's hint, off the way of a submission: its result is durable and its clients are
 * told before anybody asks a model. A thread of its own asks, a few at one time; an answer is put
 * into the kept result (store_amend) and the bus says that it changed. Whatever goes wrong - no
 * answer, nonsense, a refusal, no budget, too many waiting - leaves the result as patterns made it.
 */
#include "base/log.h"
#include "drivers/web.h"
#include "service/measure.h"
#include "service/parts.h"

enum { WAITING_MOST = 64, ASKED_MOST = 4, TROUBLE_MOST = 3 };
static const int64_t trouble_pause_us = 30 * US_PER_S;

struct question {
    struct question *next;
    struct explainer *explainer;
    struct job *job;
    struct result *result;
};

struct explainer {
    struct service *service;
    struct llm *llm;
    struct web_pool *pool;
    pthread_t thread;
    int asked;       /* of the thread, as are the next three */
    int trouble;     /* answers in a row that were none */
    int64_t rest_us; /* monotonic: not asked again before that */
    struct question *with_pool;

    pthread_mutex_t lock;
    /* under lock */
    struct question *first, **last;
    int waiting;
    bool stopping;
};

static void question_free(struct question *q)
{
    job_free(q->job);
    result_free(q->result);
    free(q);
}

/* ---- the answer ---- */

static void add_hint(struct result *r, const struct hint *hint)
{
    struct hint *hints = arena_array(&r->arena, r->hint_count + 1, sizeof *hints);
    if (r->hint_count)
        memcpy(hints, r->hints, r->hint_count * sizeof *hints);
    hints[r->hint_count++] = *hint;
    r->hints = hints;
}

/* Into the record as it is now: somebody may have deleted or reopened it. */
static void keep(struct service *s, const struct job *job, const struct hint *hint)
{
    const char *id = job->id;
    CLEANUP(record_done) struct record r = { 0 };
    struct err e;
    enum got got = store_load(s->store, id, RECORD_RESULT, &r, &e);
    if (got == GOT_ONE && r.state == STATE_FINISHED && r.result) {
        add_hint(r.result, hint);
        got = store_amend(s->store, id, r.finished_us, r.result, &e);
        if (got == GOT_ONE)
            bus_announce(s->bus, id, BUS_CHANGED);
    }
    if (got == GOT_FAILED)
        log_warn("model.hint_not_kept", "id=%s trace_id=%s why=%s", id, job->trace.id, e.text);
}

static void note_trouble(struct explainer *x, const struct job *job, const struct err *e)
{
    log_warn("model.no_answer", "id=%s trace_id=%s why=%s", job->id, job->trace.id, e->text);
    if (++x->trouble >= TROUBLE_MOST)
        x->rest_us = mono_us() + trouble_pause_us;
}

static void take_out(struct explainer *x, const struct question *q)
{
    struct question **link = &x->with_pool;
    while (*link != q)
        link = &(*link)->next;
    *link = q->next;
    x->asked--;
}

static void answered(void *arg, const struct web_answer *a, const struct err *failed)
{
    struct question *q = arg;
    struct explainer *x = q->explainer;
    struct err e;
    struct hint hint;
    CLEANUP(arena_done) struct arena arena = { 0 };

    take_out(x, q);
    enum got got = failed ? GOT_FAILED : llm_answer(a, &arena, &hint, &e);
    measure_model(got);
    if (got == GOT_FAILED)
        note_trouble(x, q->job, failed ? failed : &e);
    else
        x->trouble = 0;
    if (got == GOT_ONE)
        keep(x->service, q->job, &hint);
    question_free(q);
}

/* ---- the question ---- */

static struct question *next_waiting(struct explainer *x)
{
    pthread_mutex_lock(&x->lock);
    struct question *q = x->first;
    if (q) {
        x->first = q->next;
        if (!x->first)
            x->last = &x->first;
        x->waiting--;
    }
    pthread_mutex_unlock(&x->lock);
    return q;
}

static void ask(struct explainer *x, struct question *q)
{
    CLEANUP(buf_done) struct buf body = { 0 };
    const char *headers[3];
    llm_question(x->llm, q->job, q->result, &body);
    struct web_request request = llm_request(x->llm, buf_str(&body), headers);
    q->next = x->with_pool;
    x->with_pool = q;
    x->asked++;
    web_pool_send(x->pool, &request, answered, q);
}

static bool has_waiting(struct explainer *x)
{
    pthread_mutex_lock(&x->lock);
    bool has = x->first != NULL;
    pthread_mutex_unlock(&x->lock);
    return has;
}

/* Ask what may be asked now. Returns how long there is nothing to do but to listen. */
static int64_t ask_some(struct explainer *x)
{
    const int64_t long_us = 3600 * US_PER_S;
    while (x->asked < ASKED_MOST && has_waiting(x)) {
        int64_t now = mono_us(), then;
        if (now < x->rest_us)
            return x->rest_us - now;
        if (!llm_may_ask(x->llm, now, &then))
            return then - now;
        ask(x, next_waiting(x));
    }
    return long_us;
}

static void *explainer_main(void *arg)
{
    struct explainer *x = arg;
    for (;;) {
        pthread_mutex_lock(&x->lock);
        bool stopping = x->stopping;
        pthread_mutex_unlock(&x->lock);
        if (stopping)
            return NULL;
        web_pool_run(x->pool, ask_some(x));
    }
}

void explain(struct service *s, struct job *job, struct result *result)
{
    struct explainer *x = s->explainer;
    struct question *q = calloc(1, sizeof *q);
    CHECK(q);
    *q = (struct question){ .explainer = x, .job = job, .result = result };

    pthread_mutex_lock(&x->lock);
    bool room = x->waiting < WAITING_MOST;
    if (room) {
        *x->last = q;
        x->last = &q->next;
        x->waiting++;
    }
    pthread_mutex_unlock(&x->lock);
    if (room)
        web_pool_wake(x->pool);
    else
        question_free(q);
}

/* ---- start and stop ---- */

bool explainer_start(struct service *s, struct err *e)
{
    struct explainer *x = calloc(1, sizeof *x);
    CHECK(x);
    x->service = s;
    x->llm = s->config.llm;
    x->last = &x->first;
    pthread_mutex_init(&x->lock, NULL);
    x->pool = web_pool_new(e);
    int why = x->pool ? pthread_create(&x->thread, NULL, explainer_main, x) : 0;
    if (x->pool && !why) {
        pthread_setname_np(x->thread, "explainer");
        s->explainer = x;
        return true;
    }
    if (why)
        err_sysno(e, why, "start the explainer thread");
    web_pool_free(x->pool);
    pthread_mutex_destroy(&x->lock);
    free(x);
    return false;
}

void explainer_stop(struct explainer *x)
{
    if (!x)
        return;
    pthread_mutex_lock(&x->lock);
    x->stopping = true;
    pthread_mutex_unlock(&x->lock);
    web_pool_wake(x->pool);
    pthread_join(x->thread, NULL);
    web_pool_free(x->pool);
    for (struct question *q; (q = x->with_pool ? x->with_pool : x->first);) {
        if (x->with_pool)
            x->with_pool = q->next;
        else
            x->first = q->next;
        question_free(q);
    }
    pthread_mutex_destroy(&x->lock);
    free(x);
}
