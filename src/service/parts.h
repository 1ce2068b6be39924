/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - what the files of this folder share: the service itself and its tables.
 *
 * handoff  jobs accepted here and not yet pulled, so that the way through one process needs no read
 *          of the store. Bounded by bytes; a job not found in it is loaded from the store. Not used
 *          when other processes share the queue: they may pull what lies here.
 * active   jobs the engine has, with their lease, until their end is durable. What must still be
 *          said of one to queue or store is its errand (errands.c).
 * watches  clients that wait for an end.
 */
#ifndef EVALX_SERVICE_PARTS_H
#define EVALX_SERVICE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "service/service.h"
#include "store/delivery.h"

enum { HANDOFF_BUCKETS = 4096 };

struct handoff {
    pthread_mutex_t lock;
    /* under lock */
    struct handoff_entry *buckets[HANDOFF_BUCKETS];
    size_t bytes, bytes_max;
};

void handoff_init(struct handoff *h, size_t bytes_max);
void handoff_done(struct handoff *h);
/* Takes the job over; when there is no room it is freed, which is no loss. */
void handoff_put(struct handoff *h, struct job *job);
/* The job, owned by the caller; or NULL. */
struct job *handoff_take(struct handoff *h, const char *id);

/* What is left to be said of a job whose run is over (or could not begin). */
enum errand {
    ERRAND_NONE,
    ERRAND_KEEP,      /* its result to the store */
    ERRAND_ACK,       /* there is nothing to run any more */
    ERRAND_BURY,      /* its record is final, the queue keeps it as a dead letter */
    ERRAND_GIVE_BACK, /* to be tried again, here or elsewhere */
};

/* A job between pull and the durable end. */
struct active {
    struct active *next, **link; /* under service.lock */
    struct service *service;
    struct ticket ticket;
    struct job *job;
    struct trace span;        /* of this run, in the trace of the job */
    struct result *result;    /* set by the engine's end; kept until it is durable */
    bool bury;                /* every attempt failed: a dead letter once the result is kept */
    int64_t delay_us;         /* of ERRAND_GIVE_BACK */
    bool counts;              /* likewise: the attempt was one */
    char reason[REASON_TEXT]; /* why it is given back or buried */

    /* under service.lock */
    enum errand errand;
    bool cancelled;  /* somebody asked for it */
    bool lease_lost; /* somebody else has it, or nobody */
};

struct service_watch {
    struct service_watch *next, **link; /* under service.watch_lock; NULL: of events */
    struct service *service;
    struct bus_watch *watch;
    service_watch_fn fn;
    void *arg;
    atomic_flag told;
    char id[TOKEN_TEXT];
};

/* Trouble that lasts is told when it begins and when it is over, never in between. */
struct outage {
    bool on;
};

/* How it went this time. event: of both lines. Threads: one at a time per outage. */
static inline void outage_note(struct outage *o, bool ok, const char *event, const struct err *e)
{
    if (!ok && !o->on)
        log_warn(event, "state=%s why=%s", "failing", e->text);
    else if (ok && o->on)
        log_info(event, "state=%s", "well");
    o->on = !ok;
}

struct service {
    struct service_config config;
    struct catalogue *catalogue;
    struct engine *engine; /* NULL: this process only accepts */
    struct queue *queue;
    struct store *store;
    struct bus *bus;
    struct bus_watch *events;
    bool shared; /* other processes work on the same queue and store */
    int64_t started_us;

    struct outage no_tending, no_announcing, no_learning, no_extending; /* the sweeper's */

    struct handoff handoff;
    struct calendar calendar; /* of the sweeper */
    bool sweep_on;            /* likewise: more is to go */
    struct vitals_keeper *vitals;
    struct explainer *explainer; /* NULL: no language model is set up */
    pthread_t puller, sweeper;
    bool puller_started, sweeper_started;
    atomic_bool leaving; /* said that it goes, and still serving */
    atomic_bool hurry;   /* no more time for what runs */
    atomic_bool draining;
    atomic_bool
        abandoned; /* stopped, and some job's end never came: nothing else is there any more */
    atomic_llong accepted, finished;
    char *languages; /* what this process runs, as it announces it; JSON */

    pthread_mutex_t room_lock;
    /* under room_lock: how much waited when the queue was last asked */
    int64_t room_waiting, room_asked_us;

    pthread_mutex_t watch_lock; /* fn of a watch may be called under it */
    struct service_watch *watches;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* anything below */
    /* under lock */
    struct active *active;
    bool stopping;
    bool push_again;   /* the queue refused a push: unfinished records must be pushed again */
    bool look_again;   /* nudges may have been lost */
    bool trouble;      /* the store or the queue refused an errand; until one goes well again */
    int64_t pause_us;  /* between tries of errands, growing */
    int64_t retry_us;  /* monotonic: no try of an errand before that */
    bool offers_known; /* some worker has said what it runs (without an engine of our own) */
};

/* worker.c: pull, run, finish. */
void *worker_main(void *service);
/* Somebody wants this one ended; from any thread. An id that is not here is no matter. */
void worker_cancel(struct service *s, const char *id);
/* Hand a result (again) to the store; from any thread. */
void worker_keep(struct active *a);
/* The job is off our hands; frees it. */
void active_end(struct active *a);

/* errands.c */
/* Have it done by the sweeper's thread, again and again until it is; from any thread. */
void errand_add(struct active *a, enum errand errand);
/* One went well, or not: sets the pause before the next try. True: trouble begins with this one,
 * which is told; what follows is the same. From any thread. */
bool errand_went(struct service *s, bool well);
/* Do what is due now. */
void errands_run(struct service *s);

/* explain.c */
MUST_USE bool explainer_start(struct service *s, struct err *e);
/* Accepts NULL. What is not answered yet is let go. */
void explainer_stop(struct explainer *x);
/* Have a language model look at a result that is kept. Takes both over; returns at once. */
void explain(struct service *s, struct job *job, struct result *result);

/* watch.c */
/* Look into the record of every watch, and of every active job for a cancel. */
void watches_look_again(struct service *s);

/* crew.c: who works on the queue, and what they run. */
void crew_describe(struct service *s);
/* Say that we are here. Only for a process with an engine. */
void crew_announce(struct service *s);
/* Without an engine: offer what the workers do. */
void crew_learn(struct service *s);
/* Whether a live worker runs this language. errors: UNAVAILABLE */
MUST_USE bool crew_runs(struct service *s, const char *language, bool *ret, struct err *e);

/* service.c: a thread of ours, with a small stack. errors: SYSTEM */
MUST_USE bool service_thread(pthread_t *thread, void *(*main_fn)(void *), void *arg,
                             const char *name, struct err *e);

/* health.c */

/* Numbers that were asked for on the way; each with when it was had, monotonic, 0: not. */
struct numbers {
    struct queue_stats queue;
    int64_t queue_us;
    int64_t workers, slots;
    int64_t workers_us;
    struct delivery_stats deliveries;
    int64_t deliveries_us;
};

/* Who is told of a look around, as it goes on. */
struct lookout {
    void (*began)(void *arg, const char *name); /* a check; names are constants */
    void (*ended)(void *arg, const struct health_check *c);
    void (*numbers)(void *arg, const struct numbers *n); /* as they come */
    void *arg;
};
/* Check all there is, one after the other; may block as long as the slowest server does. */
void health_look(struct service *s, const struct lookout *lookout);

/* vitals.c */
MUST_USE bool vitals_start(struct service *s, struct err *e);
void vitals_stop(struct service *s);

/* sweeper.c: leases, errands, lost pushes, old history. */
void *sweeper_main(void *service);

#endif
