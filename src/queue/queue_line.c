/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lease is a number, given out once: the receipt. Whoever comes with another number than the
 * entry's, or after the lease ran out, has lost it. Leases end on time without a thread of their
 * own: every call first lets time pass, and a waiting pull wakes up when the next one is due.
 */
#include "queue/queue_line.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

struct line *line_new(const struct queue_ops *ops, const struct queue_config *config,
                      struct line_journal journal)
{
    struct line *l = calloc(1, sizeof *l);
    CHECK(l);
    l->queue.ops = ops;
    l->config = *config;
    if (!l->config.now_us)
        l->config.now_us = mono_us;
    l->journal = journal;
    /* Receipts of an earlier queue in the same table mean nothing here. */
    random_bytes(&l->order.last_lease, sizeof(uint32_t));

    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void line_close(struct queue *q)
{
    struct line *l = (struct line *)q;
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    order_done(&l->order);
    free((char *)(uintptr_t)l->worker.languages);
    free(l);
}

/* Every call begins here. Returns the time it is. */
static int64_t enter(struct line *l)
{
    pthread_mutex_lock(&l->lock);
    int64_t now = l->config.now_us();
    order_advance(&l->order, now);
    return now;
}

static void leave(struct line *l)
{
    pthread_mutex_unlock(&l->lock);
}

static int64_t later(int64_t now_us, int64_t delay_us)
{
    return delay_us > INT64_MAX - now_us ? INT64_MAX : now_us + delay_us;
}

static void journal_change(struct line *l, const struct entry *x, int64_t delay_us)
{
    if (l->journal.changed)
        l->journal.changed(l->journal.arg, x, delay_us);
}

static void remove_entry(struct line *l, struct entry *x)
{
    if (l->journal.removed)
        l->journal.removed(l->journal.arg, x);
    order_remove(&l->order, x);
}

static void journal_push(struct line *l, const struct entry *x, int64_t delay_us)
{
    if (l->journal.pushed)
        l->journal.pushed(l->journal.arg, x, delay_us);
}

bool line_push(struct queue *q, const struct queue_entry *new, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    int64_t delay = MAX(new->delay_us, 0);
    int64_t now = enter(l);
    if (!order_find(&l->order, new->id)) {
        struct entry *x =
            order_add(&l->order, new, later(wall_us(), delay), now, later(now, delay));
        journal_push(l, x, delay);
        pthread_cond_signal(&l->changed);
    }
    leave(l);
    return true;
}

static void fill_ticket(struct ticket *t, const struct entry *x)
{
    *t = (struct ticket){ .attempt = x->attempts,
                          .priority = x->lane->priority,
                          .pushed_us = x->pushed_us };
    memcpy(t->id, x->id, sizeof t->id);
    snprintf(t->receipt, sizeof t->receipt, "%" PRIu64, x->lease);
}

/*
 * Sleep until something changed, an entry is due, or the deadline (real time). The queue's own
 * clock may be a test's: only the difference to the next event is taken from it.
 */
static void wait_change(struct line *l, int64_t now, int64_t deadline_us)
{
    int64_t next = order_next_us(&l->order);
    int64_t until = deadline_us;
    if (next != INT64_MAX)
        until = MIN(until, later(mono_us(), next - now));
    struct timespec at = us_to_timespec(until);
    pthread_cond_timedwait(&l->changed, &l->lock, &at);
}

static int lease_some(struct line *l, int64_t now, struct ticket *ret, int max)
{
    int count = 0;
    struct entry *x;
    while (!l->paused && count < max &&
           (x = order_lease(&l->order, later(now, l->config.lease_us)))) {
        fill_ticket(&ret[count++], x);
        journal_change(l, x, 0);
    }
    return count;
}

enum got line_pull(struct queue *q, int64_t wait_us, struct ticket *ret, int max, int *ret_count,
                   UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    int64_t deadline = wait_us > 0 ? later(mono_us(), wait_us) : 0;

    *ret_count = 0;
    int64_t now = enter(l);
    while (!l->woken && (*ret_count = lease_some(l, now, ret, max)) == 0) {
        if (wait_us <= 0 || mono_us() >= deadline)
            break;
        wait_change(l, now, deadline);
        now = l->config.now_us();
        order_advance(&l->order, now);
    }
    leave(l);
    return *ret_count ? GOT_ONE : GOT_NONE;
}

/* The entry a ticket leases, or NULL: the lease ran out, or the entry is gone. */
static struct entry *leased(struct line *l, const struct ticket *t, struct err *e)
{
    struct entry *x = order_find(&l->order, t->id);
    char receipt[sizeof t->receipt] = "";
    if (x && x->place == PLACE_LEASED)
        snprintf(receipt, sizeof receipt, "%" PRIu64, x->lease);
    if (x && strcmp(receipt, t->receipt) == 0)
        return x;
    err_set(e, ERR_NOT_FOUND, "the lease of %s ran out", t->id);
    return NULL;
}

bool line_extend(struct queue *q, const struct ticket *t, struct err *e)
{
    struct line *l = (struct line *)q;
    int64_t now = enter(l);
    struct entry *x = leased(l, t, e);
    if (x)
        order_extend(&l->order, x, later(now, l->config.lease_us));
    leave(l);
    return x != NULL;
}

bool line_give_back(struct queue *q, const struct ticket *t, int64_t delay_us, bool attempt_counts,
                    struct err *e)
{
    struct line *l = (struct line *)q;
    int64_t now = enter(l);
    struct entry *x = leased(l, t, e);
    if (x) {
        if (!attempt_counts)
            x->attempts--;
        order_unlease(&l->order, x, now, later(now, delay_us));
        journal_change(l, x, delay_us);
        pthread_cond_signal(&l->changed);
    }
    leave(l);
    return x != NULL;
}

/*
 * Finished is finished, whoever has the lease by now: offering the id again could only repeat work
 * whose result would be refused. A dead letter stays what it is: the record says so too.
 */
bool line_ack(struct queue *q, const struct ticket *t, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    struct entry *x = order_find(&l->order, t->id);
    if (x && x->place != PLACE_DEAD)
        remove_entry(l, x);
    leave(l);
    return true;
}

bool line_bury(struct queue *q, const struct ticket *t, const char *reason, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    struct entry *x = order_find(&l->order, t->id);
    if (x && x->place != PLACE_DEAD) {
        order_bury(&l->order, x, reason ? reason : "", wall_us());
        if (l->journal.buried)
            l->journal.buried(l->journal.arg, x);
    }
    leave(l);
    return true;
}

enum got line_drop(struct queue *q, const char *id, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    struct entry *x = order_find(&l->order, id);
    if (x && x->place == PLACE_LEASED)
        x = NULL;
    if (x)
        remove_entry(l, x);
    leave(l);
    return x ? GOT_ONE : GOT_NONE;
}

enum got line_retry(struct queue *q, const char *id, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    struct entry *x = order_find(&l->order, id);
    if (x && x->place != PLACE_DEAD)
        x = NULL;
    if (x) {
        if (l->journal.removed)
            l->journal.removed(l->journal.arg, x);
        order_revive(&l->order, x, wall_us());
        journal_push(l, x, 0);
        pthread_cond_signal(&l->changed);
    }
    leave(l);
    return x ? GOT_ONE : GOT_NONE;
}

bool line_pause_all(struct queue *q, bool paused, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    if (l->paused != paused && l->journal.paused)
        l->journal.paused(l->journal.arg, paused);
    l->paused = paused;
    pthread_cond_broadcast(&l->changed);
    leave(l);
    return true;
}

/* ---- looking ---- */

static void fill_view(struct queue_view *v, const struct entry *x, int64_t now_us)
{
    static const enum queue_place places[] = { [PLACE_READY] = PLACED_WAITING,
                                               [PLACE_DELAYED] = PLACED_DELAYED,
                                               [PLACE_LEASED] = PLACED_LEASED,
                                               [PLACE_DEAD] = PLACED_DEAD };
    *v = (struct queue_view){ .place = places[x->place],
                              .priority = x->lane->priority,
                              .attempt = x->attempts,
                              .pushed_us = x->pushed_us };
    memcpy(v->id, x->id, sizeof v->id);
    memcpy(v->tenant, x->lane->tenant, sizeof v->tenant);
    if (x->death) {
        v->due_us = x->death->at_us;
        snprintf(v->reason, sizeof v->reason, "%s", x->death->reason);
    } else if (x->place != PLACE_READY) {
        v->due_us = later(wall_us(), x->key - now_us);
    }
}

enum got line_look(struct queue *q, const char *id, struct queue_view *ret, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    int64_t now = enter(l);
    struct entry *x = order_find(&l->order, id);
    if (x)
        fill_view(ret, x, now);
    leave(l);
    return x ? GOT_ONE : GOT_NONE;
}

bool line_list(struct queue *q, enum queue_place place, int64_t offset, int limit,
               void (*fn)(void *arg, const struct queue_view *v), void *arg, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    size_t max = (size_t)MAX(0, MIN(limit, 1000));
    struct entry **entries = calloc(max + 1, sizeof *entries);
    struct queue_view *views = calloc(max + 1, sizeof *views);
    CHECK(entries && views);

    int64_t now = enter(l);
    size_t count = order_list(&l->order, place, (size_t)MAX(offset, 0), max, entries);
    for (size_t i = 0; i < count; i++)
        fill_view(&views[i], entries[i], now);
    leave(l);

    for (size_t i = 0; i < count; i++) /* not under the lock: fn may ask the queue again */
        fn(arg, &views[i]);
    free(entries);
    free(views);
    return true;
}

bool line_announce(struct queue *q, const struct queue_worker *w, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    char *languages = strdup(w->languages ? w->languages : "[]");
    CHECK(languages);
    enter(l);
    free((char *)(uintptr_t)l->worker.languages);
    l->worker = *w;
    l->worker.languages = languages;
    l->worker.seen_us = wall_us();
    snprintf(l->worker.name, sizeof l->worker.name, "local");
    leave(l);
    return true;
}

bool line_workers(struct queue *q, void (*fn)(void *arg, const struct queue_worker *w), void *arg,
                  UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    struct queue_worker w = l->worker;
    CLEANUP(free) void *languages = w.languages ? strdup(w.languages) : NULL;
    leave(l);
    if (!languages)
        return true;
    w.languages = languages;
    fn(arg, &w);
    return true;
}

/* Leases end and delays pass with every call; pulls that wait watch the clock themselves. */
bool line_tend(struct queue *q, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    leave(l);
    return true;
}

bool line_stats(struct queue *q, struct queue_stats *ret, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    order_stats(&l->order, ret);
    ret->paused = l->paused;
    leave(l);
    return true;
}

void line_wake(struct queue *q)
{
    struct line *l = (struct line *)q;
    pthread_mutex_lock(&l->lock);
    l->woken = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}
