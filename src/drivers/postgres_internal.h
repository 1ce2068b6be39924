/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgres_internal.h - what the files of this driver share. Nobody else includes it.
 *
 *   postgres.c       the pool: connecting, lending, the schema
 *   postgres_ask.c   one connection: statements, parameters, rows, errors in our words
 */
#ifndef EVALX_DRIVERS_POSTGRES_INTERNAL_H
#define EVALX_DRIVERS_POSTGRES_INTERNAL_H

#include <libpq-fe.h>
#include <pthread.h>

#include "base/map.h"
#include "drivers/postgres.h"

struct pg_conn {
    PGconn *handle;
    int64_t timeout_us;  /* of the statements to come */
    int64_t deadline_us; /* of what is under way, monotonic */
    struct map prepared; /* text -> struct prepared */
    int prepared_count;
    PGresult *row; /* the current one */
    bool busy;     /* results of a statement are still to come */
    bool lost;     /* never to be used again */
    bool reused;   /* it lay idle before */
    bool seen;     /* a row was handed out since it was lent */
    int64_t changes;
    struct pg_conn *next; /* among the idle ones */
};

struct pg {
    char *url;
    int connections;
    int64_t timeout_us;
    const char *part;
    const char *const *scripts;
    int script_count;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t freed; /* a connection came back, or it became known that the server is away */
    struct pg_conn *idle; /* the one used last first */
    int open;             /* idle or lent */
    bool away;            /* the last attempt to connect failed; why is in trouble */
    bool trying;          /* somebody connects although it is away */
    int64_t pause_us, try_us; /* away: nobody tries before try_us, monotonic */
    struct err trouble;
    bool migrated;
    char version[64];
};

void conn_free(struct pg_conn *c);

/* Why the last call on the connection failed, "what: sentence". Always false. */
bool conn_err(struct pg_conn *c, const char *what, struct err *e);

#endif
