/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.h - where final records go to stay: a database that many servers share.
 *
 * Never on the way of a submission: a store (store.h) keeps what is going on, store_archive.c moves
 * what is final here when it can. Everything may be repeated: a record put twice is there once, and
 * a result that ended earlier never takes the place of a later one, in whichever order they come.
 *
 * Backends  history_postgres.c; history_sqlite.c, the other half of store_sqlite.c's file, to move
 *           records from one to the other
 * Threads   any, for every call.
 */
#ifndef EVALX_STORE_HISTORY_H
#define EVALX_STORE_HISTORY_H

#include "store/store.h"

struct history;

/* Ids a list leaves out, and its total too. */
struct history_without {
    const char *const *ids;
    int count;
};

struct history_ops {
    const char *scheme;

    /*
     * Keep n records, all or none, durable on return; each has job and result. What was removed
     * stays so: an archiver that was slow must not bring it back (see history_config.restore).
     * seq is the record's, or the next free one where it was taken by another store's record.
     * errors   UNAVAILABLE away (sys ETIMEDOUT: it took too long); INVALID this batch can never be
     *          kept
     */
    bool (*put)(struct history *h, const struct record *records, size_t n, struct err *e);

    /* As the store's of the same names. */
    enum got (*load)(struct history *h, const char *id, unsigned parts, struct record *ret,
                     struct err *e);
    bool (*remove)(struct history *h, const char *id, struct err *e); /* NOT_FOUND */
    /* without: NULL, or what to leave out */
    bool (*list)(struct history *h, const struct store_filter *f,
                 const struct history_without *without, unsigned parts,
                 void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                 int64_t *ret_total, struct err *e);
    bool (*sweep)(struct history *h, int64_t now_us, int batch, int64_t *ret, struct err *e);

    /* Take a record out that is not final any more, and will be put again. Unknown is no error. */
    bool (*retract)(struct history *h, const char *id, struct err *e);

    /* Reachable now, and its schema is ours. detail: version, rows, bytes as a sentence. */
    bool (*check)(struct history *h, char *detail, size_t size, struct err *e);
    void (*close)(struct history *h);
};

struct history {
    const struct history_ops *ops;
};

struct history_config {
    const char *url;      /* postgres://user:password@host:port/database?... (libpq's form) */
    int connections;      /* at one time at most; 0: 4 */
    int64_t retention_us; /* of records that do not say otherwise; 0: for ever */
    int64_t timeout_us;   /* of connecting, and of one statement; 0: 10 s */
    bool restore;         /* put() brings back what was removed: an import */
};

/*
 * Connections are made when first needed; the schema is brought up to date, once for all servers,
 * under an advisory lock, on the first of them. So a server starts although the database is away.
 *
 * errors  INVALID the URL
 */
MUST_USE struct history *history_postgres_open(const struct history_config *config, struct err *e);

/* Accepts NULL. */
static inline void history_close(struct history *h)
{
    if (h)
        h->ops->close(h);
}
CLEANUP_FOR(struct history *, history_close)

#endif
