/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must happen although nobody asks: leases of running jobs are kept alive, what queue and
 * store were not told yet is told (errands.c), records without a place in line are pushed again
 * (once at start, and after the queue refused a push), history past its retention goes. Where other
 * processes share the queue it is tended, and we say that we are here.
 *
 * One thread, which sleeps until the next of these is due: an idle server wakes up a few times a
 * minute.
 */
#include "base/clock.h"
#include "base/log.h"
#include "service/measure.h"
#include "service/parts.h"
#include "service/vitals.h"

enum { SWEEP_BATCH = 100 };

struct push_count {
    struct service *service;
    int64_t pushed;
    bool failed;
};

static void push_again(void *arg, const struct unfinished *x)
{
    struct push_count *count = arg;
    struct queue_entry entry = { x->id, x->priority, x->tenant, x->delay_us };
    struct err e;
    if (queue_push(count->service->queue, &entry, &e))
        count->pushed++;
    else
        count->failed = true;
}

/* Pushing what is in line already changes nothing, so all unfinished records may be pushed. */
static bool recover(struct service *s)
{
    struct push_count count = { .service = s };
    struct err e;
    if (s->store->ops->is_queue)
        return true; /* record and place in line are one */
    if (!store_unfinished(s->store, push_again, &count, &e)) {
        log_error("recover.failed", "why=%s", e.text);
        return false;
    }
    if (count.pushed)
        log_info("recover.pushed", "unfinished=%lld", (long long)count.pushed);
    return !count.failed;
}

/* ---- leases ---- */

enum { TICKETS_MAX = 4096 };

static size_t tickets_held(struct service *s, struct ticket *out)
{
    size_t count = 0;
    pthread_mutex_lock(&s->lock);
    for (struct active *a = s->active; a && count < TICKETS_MAX; a = a->next)
        if (!a->lease_lost)
            out[count++] = a->ticket;
    pthread_mutex_unlock(&s->lock);
    return count;
}

/* False: it ended meanwhile, there was no lease to lose. */
static bool note_lost(struct service *s, const struct ticket *t, struct trace *ret)
{
    bool found = false;
    pthread_mutex_lock(&s->lock);
    for (struct active *a = s->active; a; a = a->next)
        if (strcmp(a->ticket.receipt, t->receipt) == 0 && strcmp(a->ticket.id, t->id) == 0)
            found = a->lease_lost = true, *ret = a->span;
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* One pass over all that runs, without holding up who begins or ends a job meanwhile. */
static void extend_leases(struct service *s)
{
    struct ticket *held = malloc(TICKETS_MAX * sizeof *held);
    CHECK(held);
    size_t count = tickets_held(s, held);
    bool reached = true;
    struct err why;
    for (size_t i = 0; i < count; i++) {
        struct err e;
        if (queue_extend(s->queue, &held[i], &e))
            continue;
        if (e.kind != ERR_NOT_FOUND) {
            reached = false;
            why = e;
            break; /* nor are the others; the next pass is soon enough */
        }
        /* Somebody else has it now: whoever finishes first wins, the store sees to that. */
        struct trace span = { 0 };
        if (note_lost(s, &held[i], &span)) {
            measure_retry(RETRY_LEASE_LOST);
            log_warn("lease.lost", "id=%s trace_id=%s span_id=%s attempt=%d why=%s", held[i].id,
                     span.id, span.span, held[i].attempt, e.text);
        }
    }
    if (count)
        outage_note(&s->no_extending, reached, "lease.extend", &why);
    free(held);
}

/* ---- the rest ---- */

/* Where nobody asks how we are, the log shall know it all the same. */
static void look_around(struct service *s)
{
    struct vitals ignored;
    service_vitals(s, 1, &ignored); /* begins, and does not wait */
}

/* For a moment, since leases are waiting; more than that is left to the next second. */
static void sweep_history(struct service *s)
{
    struct err e;
    int64_t now = mono_us(), until = now + US_PER_S, removed = SWEEP_BATCH;
    int64_t date = calendar_date(&s->calendar, wall_us(), now);
    s->sweep_on = false;
    while (removed == SWEEP_BATCH && mono_us() < until) {
        if (!store_sweep(s->store, date, SWEEP_BATCH, &removed, &e)) {
            log_error("sweep.failed", "why=%s", e.text);
            return;
        }
    }
    s->sweep_on = removed == SWEEP_BATCH;
    if (!s->shared)
        look_around(s);
}

static void tend(struct service *s)
{
    struct err e;
    outage_note(&s->no_tending, queue_tend(s->queue, &e), "queue.tend", &e);
}

static void meet(struct service *s)
{
    if (s->engine)
        crew_announce(s);
    else
        crew_learn(s);
    look_around(s);
}

struct chore {
    void (*run)(struct service *s);
    int64_t every_us;
    int64_t next_us; /* monotonic */
};

enum { CHORES = 4 };

static size_t chores_of(const struct service *s, struct chore out[CHORES])
{
    size_t n = 0;
    int64_t now = mono_us();
    if (s->engine)
        out[n++] = (struct chore){ extend_leases, s->config.lease_us / 3, 0 };
    out[n++] = (struct chore){ sweep_history, 60 * US_PER_S, 0 };
    if (s->shared) {
        out[n++] = (struct chore){ tend, US_PER_S, 0 };
        out[n++] = (struct chore){ meet, 5 * US_PER_S, 0 };
    }
    for (size_t i = 0; i < n; i++)
        out[i].next_us = now + (out[i].run == meet ? US_PER_S / 2 : out[i].every_us);
    return n;
}

/* An API that knows no worker yet looks for one more often, a sweep that left something goes on. */
static int64_t pause_of(struct service *s, const struct chore *c)
{
    pthread_mutex_lock(&s->lock);
    bool known = s->engine || s->offers_known;
    pthread_mutex_unlock(&s->lock);
    return c->run == meet && !known                 ? US_PER_S / 2
           : c->run == sweep_history && s->sweep_on ? US_PER_S
                                                    : c->every_us;
}

static int64_t chores_run(struct service *s, struct chore *chores, size_t count)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        if (mono_us() >= chores[i].next_us) {
            chores[i].run(s);
            chores[i].next_us = mono_us() + pause_of(s, &chores[i]);
        }
        next = MIN(next, chores[i].next_us);
    }
    return next;
}

/* When an errand wants to be run: 0 now; INT64_MAX there is none. Under the lock. */
static int64_t errand_due(const struct service *s)
{
    for (const struct active *a = s->active; a; a = a->next)
        if (a->errand != ERRAND_NONE)
            return s->retry_us;
    return INT64_MAX;
}

struct wanted {
    bool push, look;
};

/* Sleep until something changed or the time has come. False when stopping. */
static bool rest(struct service *s, int64_t until_us, bool again, struct wanted *ret)
{
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && (again || (!s->push_again && !s->look_again))) {
        int64_t due = MIN(until_us, errand_due(s));
        if (due <= mono_us())
            break;
        struct timespec until = us_to_timespec(due);
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
    }
    *ret = (struct wanted){ s->push_again, s->look_again };
    s->push_again = s->look_again = false;
    bool go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

/* Try again what failed, a second later. */
static bool pushed_all(struct service *s)
{
    if (recover(s))
        return true;
    pthread_mutex_lock(&s->lock);
    s->push_again = true;
    pthread_mutex_unlock(&s->lock);
    return false;
}

static bool failed_again(struct service *s)
{
    pthread_mutex_lock(&s->lock);
    bool again = s->push_again || s->look_again;
    pthread_mutex_unlock(&s->lock);
    return again;
}

void *sweeper_main(void *service)
{
    struct service *s = service;
    struct chore chores[CHORES];
    size_t count = chores_of(s, chores);
    struct wanted wanted = { .push = true };
    bool again;
    int64_t until;

    if (s->shared)
        meet(s);
    do {
        again = wanted.push && !pushed_all(s);
        if (wanted.look) {
            watches_look_again(s);
            again = again || failed_again(s);
        }
        errands_run(s);
        until = chores_run(s, chores, count);
        if (again)
            until = MIN(until, mono_us() + US_PER_S);
    } while (rest(s, until, again, &wanted));
    errands_run(s);
    return NULL;
}
