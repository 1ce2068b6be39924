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

bool line_push(struct queue *q, const char *id, int priority, int64_t delay_us,
               UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    int64_t now = enter(l);
    if (!order_find(&l->order, id)) {
        struct entry *x = order_add(&l->order, id, priority, wall_us(), now, later(now, delay_us));
        if (l->journal.pushed)
            l->journal.pushed(l->journal.arg, x, delay_us);
        pthread_cond_signal(&l->changed);
    }
    leave(l);
    return true;
}

static void fill_ticket(struct ticket *t, const struct entry *x)
{
    *t = (struct ticket){ .attempt = x->attempts,
                          .priority = x->priority,
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

enum got line_pull(struct queue *q, int64_t wait_us, struct ticket *ret, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    int64_t deadline = wait_us > 0 ? later(mono_us(), wait_us) : 0;
    struct entry *x = NULL;

    int64_t now = enter(l);
    while (!l->woken && !(x = order_lease(&l->order, later(now, l->config.lease_us)))) {
        if (wait_us <= 0 || mono_us() >= deadline)
            break;
        wait_change(l, now, deadline);
        now = l->config.now_us();
        order_advance(&l->order, now);
    }
    if (x) {
        fill_ticket(ret, x);
        journal_change(l, x, 0);
    }
    leave(l);
    return x ? GOT_ONE : GOT_NONE;
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
 * whose result would be refused.
 */
bool line_ack(struct queue *q, const struct ticket *t, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    struct entry *x = order_find(&l->order, t->id);
    if (x)
        remove_entry(l, x);
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

bool line_stats(struct queue *q, struct queue_stats *ret, UNUSED struct err *e)
{
    struct line *l = (struct line *)q;
    enter(l);
    order_stats(&l->order, ret);
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
