/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - what we know of every submission: the job, its state, its result, its history.
 *
 * Promise   what store_sync() confirmed survives kill -9 of the process and loss of power. The
 * first finished result stands: finishing is fenced, later ones change nothing. Not here  the order
 * of work (queue/). Backends  store_memory.c for tests, store_sqlite.c embedded; PostgreSQL comes
 * with the cluster. Threads   any, for every call.
 */
#ifndef EVALX_STORE_STORE_H
#define EVALX_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "job/job.h"
#include "job/result.h"

enum job_state {
    STATE_QUEUED,
    STATE_RUNNING,
    STATE_FINISHED, /* with a result, internal_error included */
    STATE_CANCELLED,
};

const char *state_name(enum job_state s); /* "queued", "running", "finished", "cancelled" */

/* Parts of a record that load and list fetch; what is not asked for stays NULL. */
enum {
    RECORD_JOB = 1u << 0,
    RECORD_RESULT = 1u << 1,
};

struct record {
    char id[TOKEN_TEXT];
    enum job_state state;
    int attempts;
    bool cancel_asked;                           /* running, and somebody wants it cancelled */
    int64_t created_us, started_us, finished_us; /* wall clock; 0: not yet */
    struct job *job;                             /* owned */
    struct result *result;                       /* owned; NULL until finished */
};

void record_done(struct record *r);
CLEANUP_FOR_STRUCT(struct record, record_done)

/* A filter of history; members 0 or NULL do not filter. */
struct store_filter {
    const char *language;
    enum verdict verdict;
    bool has_state;
    enum job_state state;
    int64_t since_us, until_us; /* of created_us, since inclusive, until exclusive */
    const char *metadata_key, *metadata_value;
    int64_t before_seq; /* cursor: only records older than this one; 0: from the newest */
    int64_t offset;     /* skip this many */
    int limit;          /* 1..1000 */
};

typedef void (*store_done_fn)(void *arg, enum got won, const struct err *e);

struct db;
struct store;

struct store_ops {
    const char *scheme;

    /*
     * Take a new job in, state queued. May return before it is durable: see sync.
     *
     * key      idempotency key or NULL. When a job with this key exists, nothing is admitted and
     *          ret_id gets that job's id (GOT_NONE)
     * ret_id   TOKEN_TEXT bytes; job->id, or the earlier job's
     * ret      GOT_ONE admitted, GOT_NONE the key is taken, GOT_FAILED
     * errors   UNAVAILABLE; CONFLICT the id exists
     */
    enum got (*admit)(struct store *s, const struct job *job, const char *key, char *ret_id,
                      struct err *e);

    /*
     * Wait until everything this thread admitted (and pushed to a queue on the same database)
     * before this call is durable. errors: UNAVAILABLE the write failed; nothing was accepted
     */
    bool (*sync)(struct store *s, struct err *e);

    /* State running, first time of this attempt; need not be durable. Ignored when it is final. */
    void (*start)(struct store *s, const char *id, int attempt, int64_t started_us);

    /*
     * Keep the result: state finished (cancelled for that verdict). Fenced: the first one wins.
     * Returns at once; result is only read during the call; done is called once it is durable, from
     * any thread, and must not block.
     *   won GOT_ONE kept; GOT_NONE the record was final already or is gone; GOT_FAILED see e, try
     *   again
     */
    void (*finish)(struct store *s, const char *id, const struct result *result, store_done_fn done,
                   void *arg);

    /* GOT_NONE: unknown id. parts: RECORD_... What was admitted is found at once, durable or not.
     */
    enum got (*load)(struct store *s, const char *id, unsigned parts, struct record *ret,
                     struct err *e);

    /*
     * Ask for a cancel. A queued record becomes cancelled at once, with the result of
     * result_cancelled() (GOT_ONE, durable); a running one is marked (GOT_NONE, the worker ends
     * it); a final one stays (GOT_NONE).
     * ret_state  the state afterwards; errors NOT_FOUND
     */
    enum got (*cancel)(struct store *s, const char *id, enum job_state *ret_state, struct err *e);

    /* Delete a final record. errors: NOT_FOUND; CONFLICT it is queued or running */
    bool (*remove)(struct store *s, const char *id, struct err *e);

    /*
     * Newest first. fn gets each record and its cursor; it may take the record's members over by
     * setting them NULL. ret_total (may be NULL): number of records the filter matches in all.
     */
    bool (*list)(struct store *s, const struct store_filter *f, unsigned parts,
                 void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                 int64_t *ret_total, struct err *e);

    /* Ids of records that are not final, oldest first: what a sweeper pushes again. */
    bool (*unfinished)(struct store *s, void (*fn)(void *arg, const char *id, int priority),
                       void *arg, struct err *e);

    /* Delete final records whose retention ran out, at most batch of them; ret: how many. */
    bool (*sweep)(struct store *s, int64_t now_us, int batch, int64_t *ret, struct err *e);

    void (*close)(struct store *s);
};

struct store {
    const struct store_ops *ops;
};

MUST_USE static inline enum got store_admit(struct store *s, const struct job *job, const char *key,
                                            char *ret_id, struct err *e)
{
    return s->ops->admit(s, job, key, ret_id, e);
}

MUST_USE static inline bool store_sync(struct store *s, struct err *e)
{
    return s->ops->sync(s, e);
}

static inline void store_start(struct store *s, const char *id, int attempt, int64_t started_us)
{
    s->ops->start(s, id, attempt, started_us);
}

static inline void store_finish(struct store *s, const char *id, const struct result *result,
                                store_done_fn done, void *arg)
{
    s->ops->finish(s, id, result, done, arg);
}

MUST_USE static inline enum got store_load(struct store *s, const char *id, unsigned parts,
                                           struct record *ret, struct err *e)
{
    return s->ops->load(s, id, parts, ret, e);
}

MUST_USE static inline enum got store_cancel(struct store *s, const char *id,
                                             enum job_state *ret_state, struct err *e)
{
    return s->ops->cancel(s, id, ret_state, e);
}

MUST_USE static inline bool store_remove(struct store *s, const char *id, struct err *e)
{
    return s->ops->remove(s, id, e);
}

MUST_USE static inline bool store_list(struct store *s, const struct store_filter *f,
                                       unsigned parts,
                                       void (*fn)(void *arg, struct record *r, int64_t seq),
                                       void *arg, int64_t *ret_total, struct err *e)
{
    return s->ops->list(s, f, parts, fn, arg, ret_total, e);
}

MUST_USE static inline bool store_unfinished(struct store *s,
                                             void (*fn)(void *arg, const char *id, int priority),
                                             void *arg, struct err *e)
{
    return s->ops->unfinished(s, fn, arg, e);
}

MUST_USE static inline bool store_sweep(struct store *s, int64_t now_us, int batch, int64_t *ret,
                                        struct err *e)
{
    return s->ops->sweep(s, now_us, batch, ret, e);
}

/* Accepts NULL. */
static inline void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}
CLEANUP_FOR(struct store *, store_close)

struct store_config {
    int64_t retention_us; /* of final records that do not say otherwise; 0: for ever */
};

struct store *store_memory_open(const struct store_config *config);

/* db is borrowed and must outlive the store; its schema is brought up to date. errors: SYSTEM */
MUST_USE struct store *store_sqlite_open(struct db *db, const struct store_config *config,
                                         struct err *e);

#endif
