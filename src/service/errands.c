/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What queue and store must still be told about jobs whose run is over: the result that the store
 * refused, the job that is given back, the dead letter. The end of a run is told from threads that
 * must not wait for a server far away (a lane's, the store's own), so they leave it here, and the
 * sweeper's thread does it, with growing pauses while it fails. Nothing is dropped: what cannot be
 * said before the process ends runs again elsewhere when its lease is over.
 */
#include "base/clock.h"
#include "base/log.h"
#include "service/parts.h"

static const int64_t pause_least_us = 100 * US_PER_MS, pause_most_us = 5 * US_PER_S;

void errand_add(struct active *a, enum errand errand)
{
    struct service *s = a->service;
    pthread_mutex_lock(&s->lock);
    a->errand = errand;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool errand_went(struct service *s, bool well)
{
    pthread_mutex_lock(&s->lock);
    bool was = s->trouble;
    s->trouble = !well;
    if (well) {
        s->pause_us = 0;
        s->retry_us = 0;
    } else {
        s->pause_us = MIN(MAX(2 * s->pause_us, pause_least_us), pause_most_us);
        s->retry_us = mono_us() + s->pause_us;
    }
    if (was && well)
        pthread_cond_broadcast(&s->changed); /* the puller waits for that */
    pthread_mutex_unlock(&s->lock);
    if (was && well)
        log_info("errands.well_again", "hint=%s", "queue and store take what they refused before");
    return !was && !well;
}

/* The next one due, taken out; NULL: none. */
static struct active *take(struct service *s, enum errand *errand)
{
    struct active *found = NULL;
    pthread_mutex_lock(&s->lock);
    bool due = s->retry_us <= mono_us();
    for (struct active *a = s->active; a && due && !found; a = a->next)
        if (a->errand != ERRAND_NONE)
            found = a;
    if (found) {
        *errand = found->errand;
        found->errand = ERRAND_NONE;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

static bool tell(const struct active *a, enum errand errand, struct err *e)
{
    struct queue *q = a->service->queue;
    switch (errand) {
    case ERRAND_ACK:
        return queue_ack(q, &a->ticket, e);
    case ERRAND_BURY:
        return queue_bury(q, &a->ticket, a->reason, e);
    case ERRAND_GIVE_BACK:
        return queue_give_back(q, &a->ticket, a->delay_us, a->counts, e);
    case ERRAND_NONE:
    case ERRAND_KEEP:
        break;
    }
    return true;
}

static void run_one(struct active *a, enum errand errand)
{
    struct service *s = a->service;
    struct err e;
    if (errand == ERRAND_KEEP) { /* its answer comes to worker.c */
        worker_keep(a);
        return;
    }
    /* NOT_FOUND: the lease ran out meanwhile, and whoever has it now tells the queue. */
    bool told = tell(a, errand, &e);
    bool well = told || e.kind == ERR_NOT_FOUND;
    if (errand_went(s, well))
        log_warn("queue.errand_failed", "id=%s trace_id=%s why=%s", a->ticket.id, a->span.id,
                 e.text);
    if (!well) {
        errand_add(a, errand);
        return;
    }
    if (errand == ERRAND_GIVE_BACK)
        bus_announce(s->bus, a->ticket.id, BUS_CHANGED);
    active_end(a);
}

void errands_run(struct service *s)
{
    enum errand errand;
    for (struct active *a; (a = take(s, &errand));)
        run_one(a, errand);
}
