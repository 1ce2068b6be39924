/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage.h - the backends of queue, store and bus, chosen by the settings: one SQLite file (or
 * memory) of this process alone, or a Redis that many processes share. Either may have a history
 * behind it, in a PostgreSQL that any number of servers share.
 *
 * Threads: opened and closed by one.
 */
#ifndef EVALX_MAIN_STORAGE_H
#define EVALX_MAIN_STORAGE_H

#include "bus/bus.h"
#include "main/settings.h"
#include "queue/queue.h"
#include "service/service.h"
#include "store/store.h"

struct storage {
    struct db *db;       /* NULL: in memory, or in Redis */
    struct redis *redis; /* NULL: embedded */
    struct store *store;
    bool has_history; /* behind the store */
    struct queue *queue;
    struct bus *bus;
    struct blobs *builds, *results; /* caches that workers share; NULL: none */
};

/*
 * That Redis or PostgreSQL does not answer yet is no error.
 *
 * ret     filled as far as it got, also on error; to be closed
 * errors  INVALID a setting; SYSTEM
 */
MUST_USE bool storage_open(struct storage *ret, const struct settings *s, struct err *e);
void storage_close(struct storage *s);

/* What /health should say besides: source's arg is the storage. */
void storage_check_redis(void *storage, struct health_check *c);
void storage_check_history(void *storage, struct health_check *c);

#endif
