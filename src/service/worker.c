/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way through: pull, load, run, keep, ack, announce - in this order, so that a crash repeats
 * work and never loses it.
 *
 * One thread pulls, and only when a lane is idle: what waits stays in the queue, where others can
 * take it. The rest is driven by the engine's and the store's callbacks; no thread waits for a job.
 */
#include "base/clock.h"
#include "base/log.h"
#include "service/parts.h"

enum { PULL_WAIT_US = 5 * 1000 * 1000 };

static void active_add(struct active *a)
{
    struct service *s = a->service;
    pthread_mutex_lock(&s->lock);
    a->next = s->active;
    a->link = &s->active;
    if (a->next)
        a->next->link = &a->next;
    s->active = a;
    pthread_mutex_unlock(&s->lock);
}

static void active_end(struct active *a)
{
    struct service *s = a->service;
    pthread_mutex_lock(&s->lock);
    *a->link = a->next;
    if (a->next)
        a->next->link = a->link;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    job_free(a->job);
    result_free(a->result);
    free(a);
}

/* Looks at the mark of an active job, and sets it when set is true. */
static bool cancel_mark(struct service *s, const char *id, bool set)
{
    bool marked = false;
    pthread_mutex_lock(&s->lock);
    for (struct active *a = s->active; a; a = a->next) {
        if (strcmp(a->ticket.id, id) != 0)
            continue;
        a->cancelled = a->cancelled || set;
        marked = a->cancelled;
    }
    pthread_mutex_unlock(&s->lock);
    return marked;
}

void worker_cancel(struct service *s, const char *id)
{
    /* The mark first: the engine may not know the job yet, and begin() looks after handing over. */
    cancel_mark(s, id, true);
    engine_cancel(s->engine, id);
}

static void ack(struct service *s, const struct ticket *t)
{
    struct err e;
    /* Offered again in that case, found final, and acked then. */
    if (!queue_ack(s->queue, t, &e))
        log_warn("queue.ack_failed", "id=%s why=%s", t->id, e.text);
}

/* The store's answer about a result; may come from its writer thread. */
static void kept(void *arg, enum got won, const struct err *e)
{
    struct active *a = arg;
    struct service *s = a->service;

    if (won == GOT_FAILED) {
        log_error("result.not_kept", "id=%s why=%s", a->ticket.id, e->text);
        pthread_mutex_lock(&s->lock);
        a->keep_failed = true;
        pthread_mutex_unlock(&s->lock);
        return;
    }
    if (won == GOT_NONE)
        log_info("result.fenced_off", "id=%s attempt=%d", a->ticket.id, a->ticket.attempt);
    ack(s, &a->ticket);
    atomic_fetch_add(&s->finished, 1);
    bus_announce(s->bus, a->ticket.id, BUS_FINISHED);
    active_end(a);
}

void worker_keep(struct active *a)
{
    store_finish(a->service->store, a->ticket.id, a->result, kept, a);
}

static void give_back(struct active *a, const struct err *why)
{
    struct service *s = a->service;
    bool stopping = atomic_load(&s->draining);
    /* 0.25, 0.5, 1, ... s: trouble of ours often passes. */
    int64_t delay_us = stopping ? 0 : INT64_C(250000) << MIN(a->ticket.attempt - 1, 6);
    struct err e;
    if (!queue_give_back(s->queue, &a->ticket, delay_us, !stopping, &e))
        log_warn("queue.give_back_failed", "id=%s why=%s", a->ticket.id, e.text);
    log_warn("job.given_back", "id=%s attempt=%d why=%s", a->ticket.id, a->ticket.attempt,
             why->text);
    active_end(a);
}

static void finished(void *arg, struct result *result, const struct err *e)
{
    struct active *a = arg;
    if (!result) {
        if (atomic_load(&a->service->draining) ||
            a->ticket.attempt < a->service->config.attempts_max) {
            give_back(a, e);
            return;
        }
        log_error("job.internal_error", "id=%s attempt=%d why=%s", a->ticket.id, a->ticket.attempt,
                  e->text);
        result = result_internal_error(e->text);
    }
    result->attempt = a->ticket.attempt;
    if (a->job->hints)
        hints_find(a->service->config.hints, a->job, result);
    a->result = result;
    worker_keep(a);
}

/* A worker that was killed while it had the job leaves no reason behind: say at least that. */
static struct result *lost_result(const struct ticket *t)
{
    char why[120];
    snprintf(why, sizeof why, "gave up: the server stopped %d times while this was running",
             t->attempt - 1);
    return result_internal_error(why);
}

/* The job of a ticket, or NULL: there is nothing (more) to run; got says why. */
static struct job *find_job(struct service *s, const char *id, bool *cancelled, enum got *got,
                            struct err *e)
{
    struct job *job = handoff_take(&s->handoff, id);
    *got = GOT_ONE;
    if (job)
        return job;

    CLEANUP(record_done) struct record r = { 0 };
    *got = store_load(s->store, id, RECORD_JOB, &r, e);
    if (*got != GOT_ONE)
        return NULL;
    if (r.state == STATE_FINISHED || r.state == STATE_CANCELLED) {
        *got = GOT_NONE;
        return NULL;
    }
    *cancelled = r.cancel_asked;
    return TAKE(r.job);
}

static void begin(struct service *s, const struct ticket *t)
{
    struct err e;
    bool cancelled = false;
    enum got got;

    /* Active before the job is looked for: a cancel from here on finds it, one before is seen in
     * the record. */
    struct active *a = calloc(1, sizeof *a);
    CHECK(a);
    *a = (struct active){ .service = s, .ticket = *t };
    active_add(a);

    struct job *job = find_job(s, t->id, &cancelled, &got, &e);
    if (!job) {
        struct err ignored;
        if (got == GOT_NONE) {
            ack(s, t);
        } else {
            log_error("job.load_failed", "id=%s why=%s", t->id, e.text);
            if (!queue_give_back(s->queue, t, US_PER_S, false, &ignored))
                log_warn("queue.give_back_failed", "id=%s why=%s", t->id, ignored.text);
        }
        active_end(a);
        return;
    }
    a->job = job;

    if (cancelled || t->attempt > s->config.attempts_max) {
        a->result = cancelled ? result_cancelled() : lost_result(t);
        a->result->attempt = t->attempt;
        worker_keep(a);
        return;
    }
    store_start(s->store, t->id, t->attempt, wall_us());
    engine_submit(s->engine, job, t->attempt, (struct engine_sink){ NULL, finished, a });
    if (cancel_mark(s, t->id, false))
        engine_cancel(s->engine, t->id);
}

void *worker_main(void *service)
{
    struct service *s = service;
    while (!atomic_load(&s->draining)) {
        if (!engine_wait_room(s->engine, PULL_WAIT_US))
            continue;

        struct ticket ticket;
        struct err e;
        enum got got = queue_pull(s->queue, PULL_WAIT_US, &ticket, &e);
        if (got == GOT_ONE) {
            begin(s, &ticket);
        } else if (got == GOT_FAILED) {
            log_error("queue.pull_failed", "why=%s", e.text);
            struct timespec pause = us_to_timespec(US_PER_S);
            nanosleep(&pause, NULL);
        }
    }
    return NULL;
}
