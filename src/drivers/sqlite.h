/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite.h - one SQLite file behind struct err, with group commit.
 *
 * WAL, synchronous=FULL. All writes go through one writer thread: it takes whatever waits, runs it
 * in one transaction and commits once, so many admissions share one fsync. Reads use connections of
 * their own and never wait for the writer. The file is locked for one process.
 *
 * Source: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous.
 */
#ifndef EVALX_DRIVERS_SQLITE_H
#define EVALX_DRIVERS_SQLITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

struct db;
struct db_conn; /* a connection, used by one thread at a time */

/*
 * Open or create the file, and start the writer.
 * errors   CONFLICT another process has it open; SYSTEM
 */
MUST_USE struct db *db_open(const char *path, struct err *e);
/* Writes what waits, stops the writer. Accepts NULL. */
void db_close(struct db *db);
CLEANUP_FOR(struct db *, db_close)

/* One write, run on the writer thread inside a transaction. False rolls back this write alone. */
typedef bool (*db_write_fn)(struct db_conn *c, void *arg, struct err *e);
/* ok: committed and durable; else e says why. From the writer thread; must not block. */
typedef void (*db_done_fn)(void *arg, bool ok, const struct err *e);

/*
 * Queue a write. done may be NULL. arg must live until done was called (or for ever without).
 * threads  any; writes of one thread are carried out in order
 */
void db_write(struct db *db, db_write_fn fn, db_done_fn done, void *arg);

/*
 * The same for a write that nobody waits for yet: it shares the commit of the next db_write(),
 * db_write_wait() or db_sync(), or gets one of its own after 2 ms.
 */
void db_write_later(struct db *db, db_write_fn fn, db_done_fn done, void *arg);

/* As db_write(), and wait for it. */
MUST_USE bool db_write_wait(struct db *db, db_write_fn fn, void *arg, struct err *e);

/* Wait until every write queued before is durable; fails when one of this thread's has failed since
 * its last db_sync(). */
MUST_USE bool db_sync(struct db *db, struct err *e);

/* Borrow a reading connection; give it back with db_reader_done(). Blocks when all are out. */
MUST_USE struct db_conn *db_reader(struct db *db, struct err *e);
void db_reader_done(struct db *db, struct db_conn *c);

/*
 * A connection of its own to a file that a server may have open, for a command beside it: reads see
 * what is committed, writes take turns with the server's. Close with db_beside_close().
 * errors   NOT_FOUND no such file; SYSTEM
 */
MUST_USE struct db_conn *db_beside_open(const char *path, struct err *e);
void db_beside_close(struct db_conn *c); /* accepts NULL */
CLEANUP_FOR(struct db_conn *, db_beside_close)
/* Copy the log back into the file, as far as that goes: for writes of long duration. */
void db_beside_tidy(struct db_conn *c);

/* Bring a part of the schema up to date: scripts[i] leads from version i to i + 1. */
MUST_USE bool db_migrate(struct db *db, const char *part, const char *const *scripts, int count,
                         struct err *e);

/* ---- statements: cached per connection, one in use at a time per text ---- */
struct db_stmt;
MUST_USE struct db_stmt *db_query(struct db_conn *c, const char *sql, struct err *e);
void db_stmt_done(struct db_stmt *s); /* resets it; accepts NULL */
CLEANUP_FOR(struct db_stmt *, db_stmt_done)
void db_bind_int(struct db_stmt *s, int at, int64_t value);     /* at from 1 */
void db_bind_text(struct db_stmt *s, int at, const char *text); /* NULL binds null; borrowed */
void db_bind_blob(struct db_stmt *s, int at, struct str bytes); /* ptr NULL binds null; borrowed */
/* GOT_ONE a row is there, GOT_NONE done */
MUST_USE enum got db_step(struct db_stmt *s, struct err *e);
int64_t db_int(struct db_stmt *s, int column);     /* column from 0 */
struct str db_blob(struct db_stmt *s, int column); /* ptr NULL for null; until the next step */
int64_t db_changes(struct db_conn *c);
MUST_USE bool db_exec(struct db_conn *c, const char *sql, struct err *e);

/* Size of the file and its log in bytes. */
int64_t db_bytes(struct db *db);

#endif
