/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/sqlite_internal.h"

#include <string.h>

enum { STMTS_MAX = 200 }; /* texts built at run time (filters) must not pile up */

struct db_stmt {
    sqlite3_stmt *handle;
    struct db_conn *conn;
    char *sql;
    bool busy;
    bool cached;
};

static void stmt_free(struct db_stmt *s)
{
    sqlite3_finalize(s->handle);
    free(s->sql);
    free(s);
}

void conn_forget_stmts(struct db_conn *c)
{
    struct map old = c->stmts;
    c->stmts = (struct map){ 0 };

    size_t at = 0;
    for (struct db_stmt *s; (s = map_next(&old, &at));) {
        if (s->busy)
            s->cached = false; /* freed when its user is done */
        else
            stmt_free(s);
    }
    map_done(&old);
}

static struct db_stmt *prepare(struct db_conn *c, const char *sql, struct err *e)
{
    sqlite3_stmt *handle;
    int code = sqlite3_prepare_v3(c->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);
    if (code != SQLITE_OK) {
        db_err(c, code, "prepare", e);
        return NULL;
    }
    struct db_stmt *s = calloc(1, sizeof *s);
    CHECK(s);
    *s = (struct db_stmt){ .handle = handle, .conn = c, .sql = strdup(sql), .busy = true };
    CHECK(s->sql);
    return s;
}

struct db_stmt *db_query(struct db_conn *c, const char *sql, struct err *e)
{
    struct db_stmt *known = map_get(&c->stmts, sql);
    if (known && !known->busy) {
        known->busy = true;
        return known;
    }

    struct db_stmt *s = prepare(c, sql, e);
    if (!s || known)
        return s; /* a second use of the same text at the same time lives for this use alone */
    if (c->stmts.count >= STMTS_MAX)
        conn_forget_stmts(c);
    s->cached = true;
    map_put(&c->stmts, s->sql, s);
    return s;
}

void db_stmt_done(struct db_stmt *s)
{
    if (!s)
        return;
    if (!s->cached) {
        stmt_free(s);
        return;
    }
    sqlite3_reset(s->handle);
    sqlite3_clear_bindings(s->handle); /* what was bound is borrowed */
    s->busy = false;
}

/* Binding fails on a wrong index or after a step, which we would have written, or without memory.
 */
void db_bind_int(struct db_stmt *s, int at, int64_t value)
{
    CHECK(sqlite3_bind_int64(s->handle, at, value) == SQLITE_OK);
}

void db_bind_text(struct db_stmt *s, int at, const char *text)
{
    CHECK(sqlite3_bind_text(s->handle, at, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

void db_bind_blob(struct db_stmt *s, int at, struct str bytes)
{
    CHECK(sqlite3_bind_blob64(s->handle, at, bytes.ptr, bytes.len, SQLITE_STATIC) == SQLITE_OK);
}

enum got db_step(struct db_stmt *s, struct err *e)
{
    int code = sqlite3_step(s->handle);
    if (code == SQLITE_ROW)
        return GOT_ONE;
    if (code == SQLITE_DONE)
        return GOT_NONE;
    db_err(s->conn, code, "database", e);
    return GOT_FAILED;
}

int64_t db_int(struct db_stmt *s, int column)
{
    return sqlite3_column_int64(s->handle, column);
}

struct str db_blob(struct db_stmt *s, int column)
{
    if (sqlite3_column_type(s->handle, column) == SQLITE_NULL)
        return STR_NULL;
    const char *ptr = sqlite3_column_blob(s->handle, column);
    return (struct str){ ptr ? ptr : "", (size_t)sqlite3_column_bytes(s->handle, column) };
}

int64_t db_changes(struct db_conn *c)
{
    return sqlite3_changes64(c->handle);
}

bool db_exec(struct db_conn *c, const char *sql, struct err *e)
{
    int code = sqlite3_exec(c->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK || db_err(c, code, "database", e);
}

bool conn_run(struct db_conn *c, const char *sql, struct err *e)
{
    struct db_stmt *s = db_query(c, sql, e);
    bool ok = s && db_step(s, e) != GOT_FAILED;
    db_stmt_done(s);
    return ok;
}
