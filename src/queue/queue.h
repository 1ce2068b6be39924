/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - the order of work, kept safe until somebody finishes it.
 *
 * Promise   a pushed id is offered until a worker acks or buries it, restarts included. It may be
 *           offered twice; it is never forgotten.
 * Order     weighted between priorities (8 high, 4 normal, 1 low while all wait, so low never
 *           starves); inside one the tenants take turns; first in first out inside a tenant.
 * Not here  the job itself, its state or result (store/), running it (engine/).
 * Backends  queue_memory.c for tests, queue_sqlite.c embedded, redis/queue_redis.c for a cluster.
 * Threads   any, for every call.
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

enum { TENANT_TEXT = 32, WORKER_TEXT = 64, REASON_TEXT = 240 };

/* An id to put in line. */
struct queue_entry {
    const char *id;
    int priority;       /* 0..QUEUE_PRIORITIES-1 */
    const char *tenant; /* whose it is, for fair turns; NULL or "": nobody's */
    int64_t delay_us;   /* not offered before that much time has passed */
};

struct ticket {
    char id[TOKEN_TEXT]; /* the submission */
    int attempt;         /* 1 the first time; counts restarts of the server too */
    int priority;
    int64_t pushed_us; /* wall clock, when it came into the queue, or was to be ready if delayed */
    char receipt[64];  /* what the backend calls this lease */
};

struct queue_stats {
    int64_t waiting[QUEUE_PRIORITIES]; /* ready or delayed, not leased */
    int64_t leased;
    int64_t
        oldest_us; /* pushed_us of the oldest that could be offered now (not delayed); 0: none */
    int64_t lease_expiries; /* since start of this process (embedded) or of the queue (cluster) */
    int64_t dead;           /* dead letters */
    bool paused;
};

enum queue_place {
    PLACED_WAITING,
    PLACED_DELAYED,
    PLACED_LEASED,
    PLACED_DEAD,
};

/* Somebody's look at one entry. Texts are valid during the call that hands it out. */
struct queue_view {
    char id[TOKEN_TEXT];
    enum queue_place place;
    int priority, attempt;    /* attempt: leases so far */
    char tenant[TENANT_TEXT]; /* "": nobody's */
    int64_t pushed_us;        /* wall clock; of one pushed with a delay, when it was to be ready */
    int64_t due_us;           /* delayed: when it becomes ready, wall clock; leased: when the lease
                               * ends if nobody extends it; dead: when it died */
    char worker[WORKER_TEXT]; /* leased: who has it; "" in one process */
    char reason[REASON_TEXT]; /* dead: why */
};

/* A process that pulls, as it announces itself to the others. */
struct queue_worker {
    char name[WORKER_TEXT]; /* host:pid:random; the embedded backends call themselves "local" */
    int slots, running;     /* jobs it can have at one time, and has */
    int64_t started_us, seen_us; /* wall clock */
    const char *languages;       /* JSON array of {"id","version"}, as text; borrowed */
};

struct queue_ops {
    const char *scheme; /* "memory", "sqlite" */

    /*
     * Put an id in line. Pushing an id that is waiting, leased or dead already changes nothing
     * (the sweeper may push again). Durable at the latest when a store_sync() begun after it
     * returns.
     * errors   UNAVAILABLE
     */
    bool (*push)(struct queue *q, const struct queue_entry *x, struct err *e);

    /*
     * Wait for the next ids and lease them to the caller for the backend's lease time. Returns as
     * soon as there is one; more only when they are ready at that moment.
     * wait_us  longest wait; 0 only looks
     * ret      room for max tickets; ret_count how many were filled (0 unless GOT_ONE)
     * errors   UNAVAILABLE backend away, try again
     */
    enum got (*pull)(struct queue *q, int64_t wait_us, struct ticket *ret, int max, int *ret_count,
                     struct err *e);

    /* Keep a lease alive. NOT_FOUND: it ran out and belongs to somebody else, or was dropped. */
    bool (*extend)(struct queue *q, const struct ticket *t, struct err *e);

    /* End a lease without having finished; offered again after delay_us. NOT_FOUND as above.
     * attempt_counts false: the attempt is taken back (a stopping server did nothing wrong). */
    bool (*give_back)(struct queue *q, const struct ticket *t, int64_t delay_us,
                      bool attempt_counts, struct err *e);

    /* Finished: never offered again, also when the lease ran out meanwhile. An id no longer there
     * is no error. */
    bool (*ack)(struct queue *q, const struct ticket *t, struct err *e);

    /*
     * Never offered again, but kept as a dead letter with its reason, for an operator to look at
     * and retry. Also when the lease ran out meanwhile. The caller has made the record final.
     */
    bool (*bury)(struct queue *q, const struct ticket *t, const char *reason, struct err *e);

    /* Take a waiting, delayed or dead id out (cancel). GOT_NONE: leased, or unknown. */
    enum got (*drop)(struct queue *q, const char *id, struct err *e);

    /* A dead letter goes back in line, its attempts forgotten. GOT_NONE: it is not dead. */
    enum got (*retry)(struct queue *q, const char *id, struct err *e);

    /* While paused nothing is offered, to any worker; pushes and leases go on. Survives restarts.
     */
    bool (*pause)(struct queue *q, bool paused, struct err *e);

    /* One entry; GOT_NONE: not here. */
    enum got (*look)(struct queue *q, const char *id, struct queue_view *ret, struct err *e);

    /*
     * Entries in one place, in the order they will be offered (waiting), are due (delayed), end
     * (leased), or died, newest first (dead). A picture taken in steps: entries that move meanwhile
     * may be missed or come twice.
     * offset, limit  skip that many, hand out at most so many (1..1000)
     */
    bool (*list)(struct queue *q, enum queue_place place, int64_t offset, int limit,
                 void (*fn)(void *arg, const struct queue_view *v), void *arg, struct err *e);

    /* Say what this process can do; again at least every 10 s, else the others think it gone.
     * w->name is ignored: it is the backend's. A no-op in one process. */
    bool (*announce)(struct queue *q, const struct queue_worker *w, struct err *e);

    /* Every worker that announced itself lately; in one process the last announcement. */
    bool (*workers)(struct queue *q, void (*fn)(void *arg, const struct queue_worker *w), void *arg,
                    struct err *e);

    /*
     * What must happen although nobody asks; called about once a second by each process. A cluster
     * takes leases of silent workers back, makes delayed ids ready and mends places that got lost.
     */
    bool (*tend)(struct queue *q, struct err *e);

    bool (*stats)(struct queue *q, struct queue_stats *ret, struct err *e);

    /* Make pulls in progress return GOT_NONE now, and later ones at once. */
    void (*wake)(struct queue *q);

    void (*close)(struct queue *q);
};

struct queue {
    const struct queue_ops *ops;
};

MUST_USE static inline bool queue_push(struct queue *q, const struct queue_entry *x, struct err *e)
{
    return q->ops->push(q, x, e);
}

MUST_USE static inline enum got queue_pull(struct queue *q, int64_t wait_us, struct ticket *ret,
                                           int max, int *ret_count, struct err *e)
{
    return q->ops->pull(q, wait_us, ret, max, ret_count, e);
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

MUST_USE static inline bool queue_bury(struct queue *q, const struct ticket *t, const char *reason,
                                       struct err *e)
{
    return q->ops->bury(q, t, reason, e);
}

MUST_USE static inline enum got queue_retry(struct queue *q, const char *id, struct err *e)
{
    return q->ops->retry(q, id, e);
}

MUST_USE static inline bool queue_pause(struct queue *q, bool paused, struct err *e)
{
    return q->ops->pause(q, paused, e);
}

MUST_USE static inline enum got queue_look(struct queue *q, const char *id, struct queue_view *ret,
                                           struct err *e)
{
    return q->ops->look(q, id, ret, e);
}

MUST_USE static inline bool queue_list(struct queue *q, enum queue_place place, int64_t offset,
                                       int limit, void (*fn)(void *arg, const struct queue_view *v),
                                       void *arg, struct err *e)
{
    return q->ops->list(q, place, offset, limit, fn, arg, e);
}

MUST_USE static inline bool queue_announce(struct queue *q, const struct queue_worker *w,
                                           struct err *e)
{
    return q->ops->announce(q, w, e);
}

MUST_USE static inline bool queue_workers(struct queue *q,
                                          void (*fn)(void *arg, const struct queue_worker *w),
                                          void *arg, struct err *e)
{
    return q->ops->workers(q, fn, arg, e);
}

MUST_USE static inline bool queue_tend(struct queue *q, struct err *e)
{
    return q->ops->tend(q, e);
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
