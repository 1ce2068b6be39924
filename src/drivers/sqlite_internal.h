/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite_internal.h - what the files of this driver share. Nobody else includes it.
 *
 *   sqlite.c        opening, closing, reading connections, schema, errors in our words
 *   sqlite_stmt.c   statements
 *   sqlite_write.c  the writer thread: group commit
 *   sqlite_wal.c    the log: copied back into the file beside the writer
 */
#ifndef EVALX_DRIVERS_SQLITE_INTERNAL_H
#define EVALX_DRIVERS_SQLITE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "base/map.h"
#include "drivers/sqlite.h"

enum { DB_READERS = 4 };

struct db_conn {
    sqlite3 *handle;
    struct map stmts;     /* text -> struct db_stmt */
    struct db_conn *next; /* among idle readers */
};

/* The writer: see sqlite_write.c. */
struct writer {
    struct db_conn *conn; /* the writer thread's alone */
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work;
    struct write *first, **end; /* in the order they came */
    int64_t pending;            /* queued or being carried out */
    int64_t due_us;             /* when the first of them must begin; INT64_MAX: none waits */
    bool idle, stop;
    struct failure *failures; /* not yet told by db_sync(); one per thread */
};

/* The one who copies the log back: see sqlite_wal.c. */
struct copier {
    struct db_conn *conn; /* the copier thread's alone */
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work;
    bool wanted, stop;
    int log_pages;  /* in the log after the last commit */
    int left_pages; /* of those not in the file after the last copying */
    int tried_at;   /* log_pages when the writer last tried to close the log */
};

struct db {
    char *path;
    int lock_fd;
    struct writer writer;
    struct copier copier;

    pthread_mutex_t readers_lock; /* guards what follows */
    pthread_cond_t reader_free;
    struct db_conn *idle_readers;
    int readers; /* open, idle or borrowed */
};

/* Fill e from a result code of SQLite: kind, errno, "what: its own words". Always false. */
bool db_err(struct db_conn *c, int code, const char *what, struct err *e);

struct db_conn *conn_open(const char *path, int cache_kib, struct err *e);
void conn_close(struct db_conn *c);
CLEANUP_FOR(struct db_conn *, conn_close)

void conn_forget_stmts(struct db_conn *c);

/* Run a statement that returns no rows, from the cache. */
MUST_USE bool conn_run(struct db_conn *c, const char *sql, struct err *e);

MUST_USE bool writer_start(struct db *db, struct err *e);
void writer_stop(struct db *db);

MUST_USE bool copier_start(struct db *db, struct err *e);
void copier_stop(struct db *db);
/* Between two transactions of the writer: start the log again from its beginning when it is long
 * and nearly all of it has been copied. */
void copier_close_log(struct db *db);

#endif
