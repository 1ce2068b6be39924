/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sqlite.h - what the parts of this backend share: store_sqlite.c opens and admits,
 * store_sqlite_end.c ends records and removes them, store_sqlite_read.c reads,
 * store_sqlite_delivery.c keeps deliveries.
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
    int64_t created_us, start_us, retention_us;
    int priority;
    bool forget;
    char *language, *tenant, *metadata; /* NULL */
    struct owed owed[OWED_MOST];        /* with urls of its own */
    int owed_count;
    struct buf job; /* the stored form */

    const char *key; /* borrowed from a caller who waits; NULL */
    char *ret_id;    /* borrowed too: TOKEN_TEXT bytes */
    char fingerprint[HASH_TEXT];
    enum got got;
};

struct store_sqlite {
    struct store store; /* first: what callers hold */
    struct store_config config;
    struct db *db;
    int64_t last_seq; /* the writer thread's alone, once it is open */

    pthread_mutex_t lock; /* guards what follows */
    struct map arriving;  /* id -> struct admission, until it is committed or has failed */
};

extern const int sqlite_schema_version;

/* A statement without rows. */
static inline bool sqlite_run(struct db_stmt *s, struct err *e)
{
    return db_step(s, e) != GOT_FAILED;
}

static inline void sqlite_text(struct str s, char *out, size_t size)
{
    snprintf(out, size, "%.*s", STR_FMT(s));
}

/* store_sqlite_end.c */
void sqlite_finish(struct store *s, const char *id, const char *receipt,
                   const struct result *result, store_done_fn done, void *arg);
enum got sqlite_amend(struct store *s, const char *id, int64_t finished_us,
                      const struct result *result, struct err *e);
enum got sqlite_reopen(struct store *s, const char *id, struct err *e);
enum got sqlite_cancel(struct store *s, const char *id, enum job_state *ret_state, struct err *e);
bool sqlite_archived(struct store *s, const char *id, int64_t finished_us, int64_t drop_us,
                     struct err *e);
bool sqlite_remove(struct store *s, const char *id, struct err *e);
bool sqlite_sweep(struct store *s, int64_t now_us, int batch, int64_t *ret, struct err *e);

/* store_sqlite_read.c */
enum got sqlite_load(struct store *s, const char *id, unsigned parts, struct record *ret,
                     struct err *e);
bool sqlite_list(struct store *s, const struct store_filter *f, unsigned parts,
                 void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                 int64_t *ret_total, struct err *e);
bool sqlite_unfinished(struct store *s, void (*fn)(void *arg, const struct unfinished *x),
                       void *arg, struct err *e);
bool sqlite_unarchived(struct store *s, int max, void (*fn)(void *arg, struct record *r), void *arg,
                       struct err *e);

/* store_sqlite_delivery.c */
extern const struct delivery_ops sqlite_deliveries;

#endif
