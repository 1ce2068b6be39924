/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - the order of work, kept safe until somebody finishes it.
 *
 * Promise   a pushed id is offered until a worker acks it, restarts included. It may be offered
 *           twice; it is never forgotten. Order: weighted between priorities (8 high, 4 normal, 1
 *           low while all wait, so low never starves), first in first out inside one.
 * Not here  the job itself, its state or result (store/), running it (engine/).
 * Backends  queue_memory.c for tests, queue_sqlite.c embedded; queue_redis.c comes with the
 * cluster. Threads   any, for every call.
 */
#ifndef EVALX_QUEUE_QUEUE_H
#define EVALX_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/hash.h"

enum { QUEUE_PRIORITIES = 3 }; /* 0 low, 1 normal, 2 high: as enum priority */

struct db;
struct queue; /* each backend's own struct starts with { const struct queue_ops *ops; } */

struct ticket {
    char id[TOKEN_TEXT]; /* the submission */
    int attempt;         /* 1 the first time; counts restarts of the server too */
    int priority;
    int64_t pushed_us; /* wall clock, when it came into the queue */
    char receipt[64];  /* what the backend calls this lease */
};

struct queue_stats {
    int64_t waiting[QUEUE_PRIORITIES]; /* ready or delayed, not leased */
    int64_t leased;
    int64_t oldest_us;      /* wall clock when the oldest waiting one was pushed; 0: none */
    int64_t lease_expiries; /* since start */
};

struct queue_ops {
    const char *scheme; /* "memory", "sqlite" */

    /*
     * Put an id in line. Pushing an id that is waiting or leased already changes nothing (the
     * sweeper may push again). Durable at the latest when a store_sync() begun after it returns.
     * errors   UNAVAILABLE
     */
    bool (*push)(struct queue *q, const char *id, int priority, int64_t delay_us, struct err *e);

    /*
     * Wait for the next id and lease it to the caller for the backend's lease time.
     * wait_us  longest wait; 0 only looks
     * errors   UNAVAILABLE backend away, try again
     */
    enum got (*pull)(struct queue *q, int64_t wait_us, struct ticket *ret, struct err *e);

    /* Keep a lease alive. NOT_FOUND: it ran out and belongs to somebody else, or was dropped. */
    bool (*extend)(struct queue *q, const struct ticket *t, struct err *e);

    /* End a lease without having finished; offered again after delay_us. NOT_FOUND as above.
     * attempt_counts false: the attempt is taken back (a stopping server did nothing wrong). */
    bool (*give_back)(struct queue *q, const struct ticket *t, int64_t delay_us,
                      bool attempt_counts, struct err *e);

    /* Finished: never offered again, also when the lease ran out meanwhile. An id no longer there
     * is no error. */
    bool (*ack)(struct queue *q, const struct ticket *t, struct err *e);

    /* Take a waiting id out (cancel). GOT_NONE: not waiting (leased, or unknown). */
    enum got (*drop)(struct queue *q, const char *id, struct err *e);

    bool (*stats)(struct queue *q, struct queue_stats *ret, struct err *e);

    /* Make pulls in progress return GOT_NONE now, and later ones at once. */
    void (*wake)(struct queue *q);

    void (*close)(struct queue *q);
};

struct queue {
    const struct queue_ops *ops;
};

MUST_USE static inline bool queue_push(struct queue *q, const char *id, int priority,
                                       int64_t delay_us, struct err *e)
{
    return q->ops->push(q, id, priority, delay_us, e);
}

MUST_USE static inline enum got queue_pull(struct queue *q, int64_t wait_us, struct ticket *ret,
                                           struct err *e)
{
    return q->ops->pull(q, wait_us, ret, e);
}

MUST_USE static inline bool queue_extend(struct queue *q, const struct ticket *t, struct err *e)
{
    return q->ops->extend(q, t, e);
}

MUST_USE static inline bool queue_give_back(struct queue *q, const struct ticket *t,
                                            int64_t delay_us, bool attempt_counts, struct err *e)
{
    return q->ops->give_back(q, t, delay_us, attempt_counts, e);
}

MUST_USE static inline bool queue_ack(struct queue *q, const struct ticket *t, struct err *e)
{
    return q->ops->ack(q, t, e);
}

MUST_USE static inline enum got queue_drop(struct queue *q, const char *id, struct err *e)
{
    return q->ops->drop(q, id, e);
}

MUST_USE static inline bool queue_stats(struct queue *q, struct queue_stats *ret, struct err *e)
{
    return q->ops->stats(q, ret, e);
}

static inline void queue_wake(struct queue *q)
{
    q->ops->wake(q);
}

/* Accepts NULL. */
static inline void queue_close(struct queue *q)
{
    if (q)
        q->ops->close(q);
}
CLEANUP_FOR(struct queue *, queue_close)

struct queue_config {
    int64_t lease_us;        /* a lease not extended for this long is offered again; 60 s */
    int64_t (*now_us)(void); /* monotonic clock; NULL: mono_us. Tests pass their own */
};

/* For tests: nothing survives the process. */
struct queue *queue_memory_open(const struct queue_config *config);

/*
 * In a database shared with store_sqlite. Every row left by an earlier process is offered again,
 * its attempt counted.
 * db       borrowed, must outlive the queue
 * errors   SYSTEM
 */
MUST_USE struct queue *queue_sqlite_open(struct db *db, const struct queue_config *config,
                                         struct err *e);

#endif
