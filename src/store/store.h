/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - what we know of every submission: the job, its state, its result, its history.
 *
 * Promise   what store_sync() confirmed survives kill -9 of the process and loss of power. The
 *           first finished result stands: finishing is fenced, later ones change nothing. Who is
 *           to be told by webhook is written in the same write as the result (delivery.h).
 * Not here  the order of work (queue/).
 * Backends  store_memory.c for tests, store_sqlite.c embedded, redis/store_redis.c for a cluster.
 *           Any of them may be put in front of a history (history.h), by store_archive.c.
 * Threads   any, for every call.
 */
#ifndef EVALX_STORE_STORE_H
#define EVALX_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "job/job.h"
#include "job/result.h"
#include "store/delivery.h"
#include "store/errors.h"

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
    int64_t seq; /* order of admission: microseconds since 1970, unique in its store */
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
    bool unarchived;    /* only what archived() was not called for */
    int64_t offset;     /* skip this many */
    int limit;          /* 1..1000 */
};

struct unfinished {
    const char *id;
    int priority;
    const char *tenant; /* "": nobody's */
    int64_t delay_us;   /* until its scheduled start; 0: at once */
};

typedef void (*store_done_fn)(void *arg, enum got won, const struct err *e);

struct db;
struct store;

struct store_ops {
    const char *scheme;
    bool is_queue; /* admit() puts the job in line, finish() acks (an internal_error: buries, with
                    * its message), cancel() drops and reopen() retries it, in the same write: the
                    * caller need not do so again */
    const struct delivery_ops *deliveries;

    /*
     * Take a new job in, state queued. May return before it is durable: see sync.
     *
     * key      idempotency key or NULL. When a job with this key exists, nothing is admitted and
     *          ret_id gets that job's id (GOT_NONE), if it was asked the same (job_fingerprint()).
     *          A key is kept as long as its record, and 24 h when that was moved to a history
     * ret_id   TOKEN_TEXT bytes; job->id, or the earlier job's
     * ret      GOT_ONE admitted, GOT_NONE the key is taken, GOT_FAILED
     * errors   UNAVAILABLE; CONFLICT the key came with another job (field "Idempotency-Key"), or
     *          the id exists (field "")
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
     * any thread, and must not block. Deliveries the job asked for become due in the same write.
     *   receipt  the ticket's, or NULL; only looked at when is_queue
     *   won GOT_ONE kept; GOT_NONE the record was final already or is gone; GOT_FAILED see e, try
     *   again
     */
    void (*finish)(struct store *s, const char *id, const char *receipt,
                   const struct result *result, store_done_fn done, void *arg);

    /*
     * Put a better result (more hints, the same verdict) in the place of the one a final record
     * has. GOT_NONE: it is not final, gone, or its finished_us is another one. The record's
     * finished_us becomes another one by this, at least by a microsecond.
     */
    enum got (*amend)(struct store *s, const char *id, int64_t finished_us,
                      const struct result *result, struct err *e);

    /* A record that ended as internal_error is queued again, without a result: a dead letter that
     * an operator retries. GOT_NONE: it is in another state or has another verdict. */
    enum got (*reopen)(struct store *s, const char *id, struct err *e);

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

    /* Records that are not final, oldest first: what a sweeper pushes again. delay_us of the entry
     * is what is left of it. */
    bool (*unfinished)(struct store *s, void (*fn)(void *arg, const struct unfinished *x),
                       void *arg, struct err *e);

    /* Delete final records whose retention ran out, and archived ones past their drop_us, at most
     * batch of them; ret: how many. */
    bool (*sweep)(struct store *s, int64_t now_us, int batch, int64_t *ret, struct err *e);

    /*
     * Final records that are not in the history yet, those finished first first, at most max of
     * them, with job and result. A record amended or reopened after archived() comes again; one
     * whose job is to be forgotten never does.
     */
    bool (*unarchived)(struct store *s, int max, void (*fn)(void *arg, struct record *r), void *arg,
                       struct err *e);
    /* The history has it as it was at finished_us: drop the copy here after drop_us, wall clock.
     * Changes nothing when it is another one by now. */
    bool (*archived)(struct store *s, const char *id, int64_t finished_us, int64_t drop_us,
                     struct err *e);

    /* Say what the backend itself knows to be wrong (no append-only file, disk filling) as a
     * sentence, "" when nothing is; the fix likewise. May be NULL. */
    void (*health)(struct store *s, char *detail, size_t detail_size, char *fix, size_t fix_size);

    void (*close)(struct store *s);
};

struct store {
    const struct store_ops *ops;
    bool inner; /* behind another store, which counts errors for both */
};

/* An answer as it is, and counted when it is an error of the store's. */
static inline enum got store_got(const struct store *s, enum store_operation operation,
                                 enum got got, const struct err *e)
{
    if (got == GOT_FAILED)
        store_failed(s, operation, e);
    return got;
}

static inline bool store_went(const struct store *s, enum store_operation operation, bool done,
                              const struct err *e)
{
    if (!done)
        store_failed(s, operation, e);
    return done;
}

MUST_USE static inline enum got store_admit(struct store *s, const struct job *job, const char *key,
                                            char *ret_id, struct err *e)
{
    return store_got(s, STORE_ADMIT, s->ops->admit(s, job, key, ret_id, e), e);
}

MUST_USE static inline bool store_sync(struct store *s, struct err *e)
{
    return store_went(s, STORE_SYNC, s->ops->sync(s, e), e);
}

/* Both texts are "" when nothing is wrong. */
static inline void store_health(struct store *s, char *detail, size_t detail_size, char *fix,
                                size_t fix_size)
{
    detail[0] = fix[0] = '\0';
    if (s->ops->health)
        s->ops->health(s, detail, detail_size, fix, fix_size);
}

static inline void store_start(struct store *s, const char *id, int attempt, int64_t started_us)
{
    s->ops->start(s, id, attempt, started_us);
}

static inline void store_finish(struct store *s, const char *id, const char *receipt,
                                const struct result *result, store_done_fn done, void *arg)
{
    s->ops->finish(s, id, receipt, result, done, arg);
}

MUST_USE static inline enum got store_amend(struct store *s, const char *id, int64_t finished_us,
                                            const struct result *result, struct err *e)
{
    return store_got(s, STORE_AMEND, s->ops->amend(s, id, finished_us, result, e), e);
}

MUST_USE static inline enum got store_reopen(struct store *s, const char *id, struct err *e)
{
    return store_got(s, STORE_REOPEN, s->ops->reopen(s, id, e), e);
}

MUST_USE static inline bool store_unarchived(struct store *s, int max,
                                             void (*fn)(void *arg, struct record *r), void *arg,
                                             struct err *e)
{
    return s->ops->unarchived(s, max, fn, arg, e);
}

MUST_USE static inline bool store_archived(struct store *s, const char *id, int64_t finished_us,
                                           int64_t drop_us, struct err *e)
{
    return s->ops->archived(s, id, finished_us, drop_us, e);
}

MUST_USE static inline enum got store_load(struct store *s, const char *id, unsigned parts,
                                           struct record *ret, struct err *e)
{
    return store_got(s, STORE_LOAD, s->ops->load(s, id, parts, ret, e), e);
}

MUST_USE static inline enum got store_cancel(struct store *s, const char *id,
                                             enum job_state *ret_state, struct err *e)
{
    return store_got(s, STORE_CANCEL, s->ops->cancel(s, id, ret_state, e), e);
}

MUST_USE static inline bool store_remove(struct store *s, const char *id, struct err *e)
{
    return store_went(s, STORE_REMOVE, s->ops->remove(s, id, e), e);
}

MUST_USE static inline bool store_list(struct store *s, const struct store_filter *f,
                                       unsigned parts,
                                       void (*fn)(void *arg, struct record *r, int64_t seq),
                                       void *arg, int64_t *ret_total, struct err *e)
{
    return store_went(s, STORE_LIST, s->ops->list(s, f, parts, fn, arg, ret_total, e), e);
}

MUST_USE static inline bool store_unfinished(struct store *s,
                                             void (*fn)(void *arg, const struct unfinished *x),
                                             void *arg, struct err *e)
{
    return store_went(s, STORE_RECOVER, s->ops->unfinished(s, fn, arg, e), e);
}

MUST_USE static inline bool store_sweep(struct store *s, int64_t now_us, int batch, int64_t *ret,
                                        struct err *e)
{
    return store_went(s, STORE_SWEEP, s->ops->sweep(s, now_us, batch, ret, e), e);
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
    bool has_history; /* it will stand in front of one: see store_archive_open(). Redis keeps final
                       * records without a history for 24 h when retention_us is 0 */
};

struct history;

/*
 * A store in front of a history: everything happens in live; what is final is copied to the history
 * by a thread of its own, in batches, as soon as that is reachable, and dropped from live keep_us
 * later. load() looks into both, list() merges them, sweep() and remove() reach both. With the
 * history away everything goes on but list(), remove() and loads of what is not in live any more:
 * those fail with UNAVAILABLE.
 *
 * live, history  taken over: closed with it; on error they stay the caller's
 * errors         SYSTEM no thread
 */
MUST_USE struct store *store_archive_open(struct store *live, struct history *history,
                                          int64_t keep_us, struct err *e);

struct store *store_memory_open(const struct store_config *config);

/* db is borrowed and must outlive the store; its schema is brought up to date. errors: SYSTEM */
MUST_USE struct store *store_sqlite_open(struct db *db, const struct store_config *config,
                                         struct err *e);

#endif
