/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must happen although nobody asks: leases of running jobs are kept alive, records without a
 * place in line are pushed again (once at start, and after the queue refused a push), results the
 * store refused are offered to it again, history past its retention goes.
 */
#include "base/clock.h"
#include "base/log.h"
#include "service/parts.h"

enum { SWEEP_BATCH = 100, RETRY_US = 1000 * 1000 };

static const int64_t history_us = 60 * US_PER_S;

struct push_count {
    struct service *service;
    int64_t pushed;
    bool failed;
};

static void push_again(void *arg, const char *id, int priority)
{
    struct push_count *count = arg;
    struct err e;
    if (queue_push(count->service->queue, id, priority, 0, &e))
        count->pushed++;
    else
        count->failed = true;
}

/* Pushing what is in line already changes nothing, so all unfinished records may be pushed. */
static bool recover(struct service *s)
{
    struct push_count count = { .service = s };
    struct err e;
    if (!store_unfinished(s->store, push_again, &count, &e)) {
        log_error("recover.failed", "why=%s", e.text);
        return false;
    }
    if (count.pushed)
        log_info("recover.pushed", "unfinished=%lld", (long long)count.pushed);
    return !count.failed;
}

static void extend_leases(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    for (struct active *a = s->active; a; a = a->next) {
        struct err e;
        /* Somebody else has it now: whoever finishes first wins, the store sees to that. */
        if (!queue_extend(s->queue, &a->ticket, &e))
            log_warn("lease.lost", "id=%s attempt=%d why=%s", a->ticket.id, a->ticket.attempt,
                     e.text);
    }
    pthread_mutex_unlock(&s->lock);
}

/* One result the store refused before; NULL when none is left. */
static struct active *next_failed(struct service *s)
{
    struct active *found = NULL;
    pthread_mutex_lock(&s->lock);
    for (struct active *a = s->active; a && !found; a = a->next)
        if (a->keep_failed)
            found = a;
    if (found)
        found->keep_failed = false;
    pthread_mutex_unlock(&s->lock);
    return found;
}

static void sweep_history(struct service *s)
{
    struct err e;
    int64_t removed = SWEEP_BATCH;
    for (int i = 0; i < 100 && removed == SWEEP_BATCH; i++) {
        if (!store_sweep(s->store, wall_us(), SWEEP_BATCH, &removed, &e)) {
            log_error("sweep.failed", "why=%s", e.text);
            return;
        }
    }
}

/* Sleep until something changed or a second has passed. False when stopping. */
static bool rest(struct service *s, bool *push_wanted)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RETRY_US / US_PER_S;

    pthread_mutex_lock(&s->lock);
    int timed_out = 0;
    while (!s->stopping && !s->push_again && !timed_out)
        timed_out = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    *push_wanted = s->push_again;
    s->push_again = false;
    bool go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

void *sweeper_main(void *service)
{
    struct service *s = service;
    int64_t next_extend = mono_us() + s->config.lease_us / 3;
    int64_t next_history = mono_us() + history_us;
    bool push_wanted = true;

    do {
        if (push_wanted && !recover(s)) {
            pthread_mutex_lock(&s->lock);
            s->push_again = true;
            pthread_mutex_unlock(&s->lock);
            struct timespec pause = us_to_timespec(RETRY_US);
            nanosleep(&pause, NULL);
        }
        for (struct active *a; (a = next_failed(s));)
            worker_keep(a);

        int64_t now = mono_us();
        if (now >= next_extend) {
            extend_leases(s);
            next_extend = now + s->config.lease_us / 3;
        }
        if (now >= next_history) {
            sweep_history(s);
            next_history = now + history_us;
        }
    } while (rest(s, &push_wanted));
    return NULL;
}
