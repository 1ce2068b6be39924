/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history_postgres.h - what the two halves of this backend share: history_postgres.c keeps and
 * removes, history_postgres_read.c reads.
 */
#ifndef EVALX_STORE_HISTORY_POSTGRES_H
#define EVALX_STORE_HISTORY_POSTGRES_H

#include "drivers/postgres.h"
#include "store/history.h"
#include "store/record.h"

struct history_postgres {
    struct history history; /* first: what callers hold */
    struct pg *pg;
    int64_t retention_us;
    bool restore;
};

static inline struct pg *history_pool(struct history *h)
{
    return ((struct history_postgres *)h)->pg;
}

/* A key and its text in the object that metadata is found by. */
static inline void history_put_pair(struct json_writer *w, const char *key, struct str value)
{
    json_put_key(w, key);
    json_put_str(w, value);
}

enum got history_postgres_load(struct history *h, const char *id, unsigned parts,
                               struct record *ret, struct err *e);
bool history_postgres_list(struct history *h, const struct store_filter *f,
                           const struct history_without *without, unsigned parts,
                           void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                           int64_t *ret_total, struct err *e);

#endif
