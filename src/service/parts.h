/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - what the files of this folder share: the service itself and its two tables.
 *
 * handoff  jobs accepted here and not yet pulled, so that the way through one process needs no read
 *          of the store. Bounded by bytes; a job not found in it is loaded from the store.
 * active   jobs the engine has, with their lease, until their end is durable.
 */
#ifndef EVALX_SERVICE_PARTS_H
#define EVALX_SERVICE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "service/service.h"

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

/* A job between pull and the durable end. */
struct active {
    struct active *next, **link; /* under service.lock */
    struct service *service;
    struct ticket ticket;
    struct job *job;
    struct result *result; /* set by the engine's end; kept until it is durable */
    bool keep_failed;      /* under service.lock: the store refused it, the sweeper tries again */
    bool cancelled;        /* under service.lock: somebody asked for it */
};

struct service {
    struct service_config config;
    const struct catalogue *catalogue;
    struct engine *engine; /* NULL: this process only accepts */
    struct queue *queue;
    struct store *store;
    struct bus *bus;
    struct bus_watch *cancels;

    struct handoff handoff;
    pthread_t puller, sweeper;
    bool puller_started, sweeper_started;
    atomic_bool draining;
    atomic_llong accepted, finished;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* active list, stopping, push_again */
    /* under lock */
    struct active *active;
    bool stopping;
    bool push_again; /* the queue refused a push: unfinished records must be pushed again */
};

/* worker.c: pull, run, finish. */
void *worker_main(void *service);
/* Somebody wants this one ended; from any thread. An id that is not here is no matter. */
void worker_cancel(struct service *s, const char *id);
/* Hand a result (again) to the store; from any thread. */
void worker_keep(struct active *a);

/* sweeper.c: leases, lost pushes, results the store refused, old history. */
void *sweeper_main(void *service);

#endif
