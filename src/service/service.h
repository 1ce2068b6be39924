/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.h - the way of a submission: accept, work, wait, sweep. Holds the engine, the queue, the
 * store and the bus, and never asks which backend they are.
 *
 *   accept   store_admit, queue_push; the token is given away only after store_sync
 *   work     queue_pull, load, engine_submit; store_finish, then queue_ack, then bus_announce
 *   sweep    unfinished records without a place in the queue are pushed again; leases of running
 *            jobs are kept alive; old history goes
 */
#ifndef EVALX_SERVICE_SERVICE_H
#define EVALX_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "bus/bus.h"
#include "engine/engine.h"
#include "hints/hints.h"
#include "hints/llm.h"
#include "job/job.h"
#include "lang/lang.h"
#include "queue/queue.h"
#include "service/result_cache.h"
#include "store/store.h"

struct service;

/* One line of /health. */
struct health_check {
    const char *name; /* "store", "queue", "lanes", ... */
    bool ok;
    bool minor; /* not ok, but requests are served: no reason to send traffic elsewhere */
    char detail[240];
    char fix[160];
};
enum { HEALTH_MAX = 40 };

struct health_source {
    const char *name; /* NULL: the end of the list */
    /* Fill ok, minor, detail and fix; detail and fix are empty before. Called from any thread. */
    void (*check)(void *arg, struct health_check *c);
    void *arg;
};

struct service_config {
    struct job_policy policy;
    int64_t queue_max;             /* waiting jobs at most; above it accept answers LIMIT */
    int attempts_max;              /* 3 */
    int64_t lease_us;              /* as the queue's: leases are extended three times as often */
    int64_t drain_us;              /* how long service_drain() lets running jobs finish */
    const struct hint_book *hints; /* borrowed; NULL: no job gets hints */
    struct result_cache *results;  /* borrowed; NULL: "cache": "result" is as "build" */
    struct llm *llm;               /* borrowed; NULL: no language model is asked for more */
    /* The native face's form of a test's result, appended; for BUS_TEST. NULL: none is announced */
    void (*render_test)(const struct test_result *t, size_t index, struct buf *out);
    /* What the operator should know besides, such as a database behind the store. */
    const struct health_source *sources; /* borrowed; ended by one without a name; or NULL */
};

/*
 * Start the threads. All parts are borrowed and must outlive the service; engine may be NULL (a
 * process that only accepts, and offers the languages that workers announce).
 */
MUST_USE struct service *service_start(const struct service_config *config,
                                       struct catalogue *catalogue, struct engine *engine,
                                       struct queue *queue, struct store *store, struct bus *bus,
                                       struct err *e);
/*
 * Stop pulling and let running jobs finish for drain_us. Accepting goes on. What still runs then is
 * given back to the queue by engine_stop(), which belongs between drain and stop.
 */
void service_drain(struct service *s);
/* Join the threads and free. The engine must have been stopped before. Accepts NULL. */
void service_stop(struct service *s);
CLEANUP_FOR(struct service *, service_stop)

/*
 * Accept a job: job_check(), admit, push. Takes the job over, also on failure.
 *
 * key      idempotency key or NULL
 * now      true: return only when it is durable, so the token may be given away. false: the caller
 *          gives nothing away before service_sync() or the job's end
 * ret_id   TOKEN_TEXT bytes
 * ret      GOT_ONE accepted; GOT_NONE the key named an earlier job, ret_id is its token
 * errors   INVALID with the field; LIMIT queue full; UNAVAILABLE
 * threads  any
 */
MUST_USE enum got service_accept(struct service *s, struct job *job, const char *key, bool now,
                                 char ret_id[TOKEN_TEXT], struct err *e);

/* Make everything this thread accepted durable. errors: UNAVAILABLE nothing was accepted */
MUST_USE bool service_sync(struct service *s, struct err *e);

/* Whether n more jobs would fit into the queue now. errors: UNAVAILABLE */
MUST_USE bool service_has_room(struct service *s, int64_t n, bool *ret, struct err *e);

/* As store_load(). GOT_NONE: unknown. */
MUST_USE enum got service_load(struct service *s, const char *id, unsigned parts,
                               struct record *ret, struct err *e);

/*
 * A job's end, for a caller that must not block: fn is called exactly once, from any thread, when
 * the job is final or service_unwatch() took it back. Watch first, then look at the record: an end
 * in between is not missed, fn may be called before service_watch() returns.
 */
struct service_watch;
typedef void (*service_watch_fn)(void *arg);
MUST_USE struct service_watch *service_watch(struct service *s, const char *id, service_watch_fn fn,
                                             void *arg);
/*
 * All that is heard of a job, as bus_watch(): fn must not block nor call into the service. With
 * BUS_AGAIN, whose looking is the caller's here, it is to look at the record, later and elsewhere.
 */
MUST_USE struct service_watch *service_watch_events(struct service *s, const char *id, bus_fn fn,
                                                    void *arg);
/* Free the watch, of either kind. After it returns fn is not called any more. Not from inside fn.
 */
void service_unwatch(struct service *s, struct service_watch *w);

/* Cancel; idempotent. ret_state: the state afterwards. errors: NOT_FOUND */
MUST_USE bool service_cancel(struct service *s, const char *id, enum job_state *ret_state,
                             struct err *e);

/* Delete a final record. errors: NOT_FOUND, CONFLICT */
MUST_USE bool service_remove(struct service *s, const char *id, struct err *e);

MUST_USE bool service_list(struct service *s, const struct store_filter *f, unsigned parts,
                           void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                           int64_t *ret_total, struct err *e);

const struct catalogue *service_catalogue(const struct service *s);
const struct job_policy *service_policy(const struct service *s);

struct service_stats {
    struct queue_stats queue;
    struct engine_stats engine;        /* zero without one */
    struct result_cache_stats results; /* zero without one */
    int64_t accepted, finished;        /* since start */
};
MUST_USE bool service_stats(struct service *s, struct service_stats *ret, struct err *e);
/* The same without the queue, which may lie elsewhere: never waits. False: nothing is run here, and
 * the engine's are zero. */
bool service_figures(struct service *s, struct service_stats *ret);

/* How much may wait: service_config's. */
int64_t service_queue_max(const struct service *s);
/* Say that the end is near: service_draining() is true from here on, everything else goes on. */
void service_leave(struct service *s);
bool service_draining(const struct service *s);
/* service_drain() waits no longer, now or when it is called. Threads: any. */
void service_hurry(struct service *s);

/* ---- for operators ---- */

/* To look, list, pause and count; changes go through the calls below. */
struct queue *service_queue(struct service *s);

/* A dead letter runs again, its record reopened. GOT_NONE: it is not dead. */
MUST_USE enum got service_retry(struct service *s, const char *id, struct err *e);

/* A dead letter is forgotten by the queue (its record stays, final); what waits or runs is
 * cancelled. GOT_NONE: not in the queue. */
MUST_USE enum got service_drop(struct service *s, const char *id, struct err *e);

/* Cancel what waits, for at most a few seconds. ret_left: about how many are left. */
MUST_USE bool service_drain_queue(struct service *s, int64_t *ret_cancelled, int64_t *ret_left,
                                  struct err *e);

/* For its deliveries, and only to look. */
struct store *service_store(struct service *s);

/* Send a delivery again, from its first attempt on. GOT_NONE: unknown, or nothing to send yet. */
MUST_USE enum got service_replay(struct service *s, const char *id, struct err *e);

/* Every worker that is there now. */
MUST_USE bool service_workers(struct service *s,
                              void (*fn)(void *arg, const struct queue_worker *w), void *arg,
                              struct err *e);

/* Check store, queue and lanes now. Returns the number filled. */
int service_health(struct service *s, struct health_check out[HEALTH_MAX]);

#endif
