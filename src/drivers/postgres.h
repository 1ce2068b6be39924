/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postgres.h - PostgreSQL behind struct err: a pool of connections, made when first needed.
 *
 * Nothing waits for a database that is away: after a failed attempt to connect everybody fails at
 * once for a while (growing to 2 s), one caller tries again after it. A connection that broke while
 * it lay idle is noticed and replaced before anything is sent on it. No statement waits for longer
 * than the time-out, whether the server is slow or the network swallows what is sent.
 *
 * Source   libpq, https://www.postgresql.org/docs/15/libpq.html ; SQLSTATEs in appendix A there.
 * Threads  any, for the pool; a connection belongs to the one call of pg_run() it was lent to.
 */
#ifndef EVALX_DRIVERS_POSTGRES_H
#define EVALX_DRIVERS_POSTGRES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

struct pg;
struct pg_conn;

struct pg_config {
    /* postgres://[user[:password]@][host][:port][/database][?key=value&...], all that libpq takes:
     * several hosts, sslmode, target_session_attrs, ... What is not said comes from libpq's own
     * variables (PGUSER, PGPASSWORD, ...) and ~/.pgpass. */
    const char *url;
    int connections;    /* at most; 0: 4 */
    int64_t timeout_us; /* connecting, and one statement; 0: 10 s */

    /* Brought up to date on the first connection: scripts[i] leads from version i to i + 1. Once
     * for all servers: under an advisory lock, in one transaction. */
    const char *part; /* what the schema is called in the table evalx_schema */
    const char *const *scripts;
    int script_count;
};

/* errors  INVALID the URL; its password is not repeated. That nobody answers yet is no error. */
MUST_USE struct pg *pg_open(const struct pg_config *config, struct err *e);
/* Nothing may be running. Accepts NULL. */
void pg_close(struct pg *pg);
CLEANUP_FOR(struct pg *, pg_close)

enum pg_mode {
    PG_PLAIN, /* one statement, or several that need nothing in common. When the connection had
               * broken unnoticed fn is called again, unless a row was seen: it may be repeated */
    PG_READ,  /* a transaction that sees one moment */
    PG_WRITE, /* a transaction; false from fn undoes it */
};

/*
 * Lend a connection to fn and wait for its end. Waits for a free one, for the time-out at most.
 *
 * errors  UNAVAILABLE no connection (the sentence tells a wrong password from a missing database
 *         from a host that is away), it broke, the server is stopping, full, too busy or a
 *         standby: try again; sys is ETIMEDOUT when a statement took too long. PG_WRITE may have
 *         been committed nevertheless.
 *         INVALID the values cannot be kept; CONFLICT a unique constraint, whose name is in field;
 *         SYSTEM the schema or a right is missing, and all else; or what fn said
 */
typedef bool (*pg_fn)(struct pg_conn *c, void *arg, struct err *e);
MUST_USE bool pg_run(struct pg *pg, enum pg_mode mode, pg_fn fn, void *arg, struct err *e);

/* ---- parameters: $1, $2, ... in the order they were added ---- */

enum { PG_ARGS = 20 };

struct pg_args {
    int count;
    struct {
        unsigned type;    /* OID */
        struct str bytes; /* binary form; ptr NULL: null */
        char small[8];    /* of a number */
    } at[PG_ARGS];
};

void pg_add_int(struct pg_args *a, int64_t value);    /* a bigint */
void pg_add_text(struct pg_args *a, struct str text); /* a text; borrowed; ptr NULL: null */

/* An array to add as one parameter, for unnest(): many rows in one statement. Zeroed is empty. */
struct pg_list {
    struct buf bytes; /* elements in binary form */
    int count;
};
void pg_list_done(struct pg_list *l);
CLEANUP_FOR_STRUCT(struct pg_list, pg_list_done)
void pg_list_int(struct pg_list *l, int64_t value);
void pg_list_text(struct pg_list *l, struct str text);   /* ptr NULL: null */
void pg_add_ints(struct pg_args *a, struct pg_list *l);  /* a bigint[]; borrowed */
void pg_add_texts(struct pg_args *a, struct pg_list *l); /* a text[]; borrowed */

/* ---- statements, inside pg_run() ---- */

/*
 * Send a statement; its rows come by pg_step(). What is left of an earlier one is thrown away.
 *
 * pg_ask       sql is prepared once per connection: for statements whose text never changes
 * pg_ask_once  planned for these values
 * args         NULL: none
 */
MUST_USE bool pg_ask(struct pg_conn *c, const char *sql, const struct pg_args *args, struct err *e);
MUST_USE bool pg_ask_once(struct pg_conn *c, const char *sql, const struct pg_args *args,
                          struct err *e);

/* GOT_ONE a row is there, until the next step; GOT_NONE the statement is done. */
MUST_USE enum got pg_step(struct pg_conn *c, struct err *e);
int64_t pg_int(const struct pg_conn *c, int column);     /* column from 0; null: 0 */
struct str pg_text(const struct pg_conn *c, int column); /* null: ptr NULL */
int64_t pg_changes(const struct pg_conn *c);             /* rows the last statement changed */

/* The same for a statement whose rows nobody wants. */
MUST_USE bool pg_exec(struct pg_conn *c, const char *sql, const struct pg_args *args,
                      struct err *e);
/* Text that may hold several statements, without parameters. */
MUST_USE bool pg_script(struct pg_conn *c, const char *sql, struct err *e);

/* In PG_WRITE: the statements that follow may take a second longer for every MB of these bytes. */
MUST_USE bool pg_patience(struct pg_conn *c, int64_t bytes, struct err *e);

/* "PostgreSQL 15.20"; as of the last connection, "" before the first. */
void pg_version(struct pg *pg, char *out, size_t size);

#endif
