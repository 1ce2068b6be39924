/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sqlite.h - what the two halves of this backend share: store_sqlite.c writes,
 * store_sqlite_read.c reads.
 */
#ifndef EVALX_STORE_SQLITE_H
#define EVALX_STORE_SQLITE_H

#include <pthread.h>

#include "base/map.h"
#include "drivers/sqlite.h"
#include "store/record.h"

/* A submission on its way into the file. */
struct admission {
    struct store_sqlite *store;
    char id[TOKEN_TEXT];
    int64_t created_us, retention_us;
    int priority;
    char *language, *metadata; /* NULL */
    struct buf job;            /* the stored form */

    const char *key; /* borrowed from a caller who waits; NULL */
    char *ret_id;    /* borrowed too: TOKEN_TEXT bytes */
    enum got got;
};

struct store_sqlite {
    struct store store; /* first: what callers hold */
    struct store_config config;
    struct db *db;

    pthread_mutex_t lock; /* guards what follows */
    struct map arriving;  /* id -> struct admission, until it is committed or has failed */
};

enum got sqlite_load(struct store *s, const char *id, unsigned parts, struct record *ret,
                     struct err *e);
bool sqlite_list(struct store *s, const struct store_filter *f, unsigned parts,
                 void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                 int64_t *ret_total, struct err *e);
bool sqlite_unfinished(struct store *s, void (*fn)(void *arg, const char *id, int priority),
                       void *arg, struct err *e);

#endif
