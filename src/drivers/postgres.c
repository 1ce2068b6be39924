/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/postgres_internal.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"

enum { CONNECTIONS = 4 };

static const int64_t timeout_us = 10 * US_PER_S;
static const int64_t first_pause_us = 250 * US_PER_MS, longest_pause_us = 2 * US_PER_S;
static const int64_t migrate_us = 600 * US_PER_S; /* another server may be at it */

/* ---- opening ---- */

/* libpq's words repeat the URL, and so its password; but for one, which names what is misspelt. */
static bool check_url(const char *url, struct err *e)
{
    static const char form[] = "postgres://user:password@host:5432/database";
    if (strncmp(url, "postgres://", 11) != 0 && strncmp(url, "postgresql://", 13) != 0)
        return err_set(e, ERR_INVALID, "postgres: the URL must be like %s", form);
    char *words = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &words);
    bool named = words && strncmp(words, "invalid URI query parameter", 27) == 0;
    if (!options)
        err_set(e, ERR_INVALID, "postgres: the URL cannot be read%s%.*s; it is like %s",
                named ? ": " : "", named ? (int)strcspn(words, "\n") : 0, named ? words : "", form);
    PQfreemem(words);
    PQconninfoFree(options);
    return options != NULL;
}

struct pg *pg_open(const struct pg_config *config, struct err *e)
{
    if (!check_url(config->url, e))
        return NULL;
    struct pg *pg = calloc(1, sizeof *pg);
    CHECK(pg);
    pg->url = strdup(config->url);
    CHECK(pg->url);
    pg->connections = config->connections > 0 ? config->connections : CONNECTIONS;
    pg->timeout_us = config->timeout_us > 0 ? config->timeout_us : timeout_us;
    pg->part = config->part;
    pg->scripts = config->scripts;
    pg->script_count = config->script_count;
    pg->pause_us = first_pause_us;
    pthread_mutex_init(&pg->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pg->freed, &attr);
    pthread_condattr_destroy(&attr);
    return pg;
}

void pg_close(struct pg *pg)
{
    if (!pg)
        return;
    for (struct pg_conn *c = pg->idle, *next; c; c = next) {
        next = c->next;
        conn_free(c);
    }
    pthread_cond_destroy(&pg->freed);
    pthread_mutex_destroy(&pg->lock);
    free(pg->url);
    free(pg);
}

/* ---- the schema ---- */

struct migration {
    struct pg *pg;
    int64_t version;
};

/* Any two numbers, the same in every server: the key of the lock. */
#define LOCK_SCHEMA "SELECT pg_advisory_xact_lock(1702259052, 1)"

static bool read_version(struct pg_conn *c, const char *part, int64_t *ret, struct err *e)
{
    struct pg_args args = { 0 };
    pg_add_text(&args, str_of(part));
    if (!pg_ask_once(c, "SELECT version FROM evalx_schema WHERE part = $1", &args, e))
        return false;
    enum got got = pg_step(c, e);
    *ret = got == GOT_ONE ? pg_int(c, 0) : 0;
    return got != GOT_FAILED;
}

static bool write_version(struct pg_conn *c, const char *part, int64_t version, struct err *e)
{
    struct pg_args args = { 0 };
    pg_add_text(&args, str_of(part));
    pg_add_int(&args, version);
    return pg_ask_once(c,
                       "INSERT INTO evalx_schema(part, version) VALUES($1, $2)"
                       " ON CONFLICT (part) DO UPDATE SET version = $2",
                       &args, e) &&
           pg_step(c, e) == GOT_NONE;
}

static bool apply(struct pg *pg, struct pg_conn *c, struct err *e)
{
    int64_t version;
    if (!pg_script(c, LOCK_SCHEMA, e) ||
        !pg_script(c,
                   "CREATE TABLE IF NOT EXISTS evalx_schema("
                   " part text PRIMARY KEY, version bigint NOT NULL)",
                   e) ||
        !read_version(c, pg->part, &version, e))
        return false;
    if (version > pg->script_count)
        return err_set(e, ERR_SYSTEM,
                       "the %s has version %lld, this program knows %d: use a newer evalx",
                       pg->part, (long long)version, pg->script_count);
    for (int64_t i = version; i < pg->script_count; i++)
        if (!pg_script(c, pg->scripts[i], e))
            return err_add(e, "to version %lld", (long long)i + 1);
    return version == pg->script_count || write_version(c, pg->part, pg->script_count, e);
}

/* When it is up to date already no lock and no right to create tables is needed. */
static bool is_current(struct pg *pg, struct pg_conn *c, bool *ret, struct err *e)
{
    int64_t version;
    *ret = false;
    if (!pg_ask_once(c, "SELECT to_regclass('evalx_schema') IS NOT NULL", NULL, e) ||
        pg_step(c, e) != GOT_ONE)
        return false;
    if (!str_is(pg_text(c, 0), "t"))
        return true;
    if (!read_version(c, pg->part, &version, e))
        return false;
    *ret = version == pg->script_count;
    return true;
}

static bool migrate(struct pg *pg, struct pg_conn *c, struct err *e)
{
    bool current;
    if (!is_current(pg, c, &current, e))
        return err_add(e, "schema");
    if (current)
        return true;
    struct err ignored; /* the connection goes when this fails */
    c->timeout_us = migrate_us;
    bool ok = pg_script(c, "BEGIN; SET LOCAL statement_timeout = 0", e) && apply(pg, c, e) &&
              pg_script(c, "COMMIT", e);
    c->timeout_us = pg->timeout_us;
    if (!ok && !c->lost && !pg_script(c, "ROLLBACK", &ignored))
        c->lost = true;
    return ok || err_add(e, "schema");
}

/* ---- connecting ---- */

/* Text of another encoding would come back changed, or not go in. */
static bool check_encoding(struct pg_conn *c, struct err *e)
{
    const char *encoding = PQparameterStatus(c->handle, "server_encoding");
    if (encoding && strcmp(encoding, "UTF8") == 0)
        return true;
    return err_set(e, ERR_SYSTEM,
                   "postgres: the database is kept in %s; create it with ENCODING 'UTF8'",
                   encoding ? encoding : "an unknown encoding");
}

static bool setup(struct pg_conn *c, struct err *e)
{
    char sql[120];
    snprintf(sql, sizeof sql, "SET statement_timeout = %lld; SET jit = off",
             (long long)(c->timeout_us / US_PER_MS));
    return check_encoding(c, e) && pg_script(c, sql, e);
}

/* Notices ("already exists, skipping") are for people at a prompt; libpq would print them. */
static void no_notice(UNUSED void *arg, UNUSED const char *message)
{
}

/* libpq's own loop: it gives each of several hosts its time, and does so by poll(2). */
static struct pg_conn *connect_one(struct pg *pg, struct err *e)
{
    char seconds[24];
    snprintf(seconds, sizeof seconds, "%lld", (long long)(pg->timeout_us + US_PER_S - 1) / 1000000);
    const char *const keys[] = { "connect_timeout", "fallback_application_name", "dbname",
                                 "client_encoding", NULL };
    const char *const values[] = { seconds, "evalx", pg->url, "UTF8", NULL };

    struct pg_conn *c = calloc(1, sizeof *c);
    CHECK(c);
    c->timeout_us = pg->timeout_us;
    c->handle = PQconnectdbParams(keys, values, 1);
    bool ok = c->handle && PQstatus(c->handle) == CONNECTION_OK;
    PQsetNoticeProcessor(c->handle, no_notice, NULL);
    if (!c->handle)
        err_set(e, ERR_UNAVAILABLE, "postgres: no memory");
    else if (!ok)
        conn_err(c, "postgres", e);
    else
        ok = PQsetnonblocking(c->handle, 1) == 0 ? setup(c, e) : conn_err(c, "postgres", e);
    if (!ok) {
        conn_free(c);
        return NULL;
    }
    return c;
}

/* A new connection with our schema behind it. */
static struct pg_conn *connect_ready(struct pg *pg, bool migrated, struct err *e)
{
    struct pg_conn *c = connect_one(pg, e);
    if (c && !migrated && !migrate(pg, c, e)) {
        conn_free(c);
        return NULL;
    }
    return c;
}

/* ---- lending ---- */

/* The server closed it, or said that it will: an idle connection has nothing else to hear. */
static bool went_stale(const struct pg_conn *c)
{
    struct pollfd p = { .fd = PQsocket(c->handle), .events = POLLIN };
    return poll(&p, 1, 0) != 0;
}

static struct pg_conn *take_idle(struct pg *pg)
{
    struct pg_conn *c;
    while ((c = pg->idle)) {
        pg->idle = c->next;
        if (!went_stale(c))
            return c;
        pg->open--;
        conn_free(c);
    }
    return NULL;
}

/* After an attempt to connect; under lock. */
static void note_attempt(struct pg *pg, struct pg_conn *c, const struct err *e)
{
    pg->trying = false;
    pg->away = !c;
    if (c) {
        pg->migrated = true;
        pg->pause_us = first_pause_us;
        snprintf(pg->version, sizeof pg->version, "PostgreSQL %s",
                 PQparameterStatus(c->handle, "server_version"));
    } else {
        pg->open--;
        pg->trouble = *e;
        pg->try_us = mono_us() + pg->pause_us;
        pg->pause_us = MIN(pg->pause_us * 2, longest_pause_us);
    }
    pthread_cond_broadcast(&pg->freed);
}

static struct pg_conn *connect_for(struct pg *pg, struct err *e)
{
    bool migrated = pg->migrated;
    pg->open++;
    pg->trying = pg->away;
    pthread_mutex_unlock(&pg->lock);
    struct pg_conn *c = connect_ready(pg, migrated, e);
    pthread_mutex_lock(&pg->lock);
    note_attempt(pg, c, e);
    return c;
}

/* Under lock. */
static struct pg_conn *borrow_locked(struct pg *pg, struct err *e)
{
    int64_t until_us = mono_us() + pg->timeout_us;
    struct timespec until = us_to_timespec(until_us);
    for (;;) {
        struct pg_conn *c = take_idle(pg);
        if (c) {
            c->reused = true;
            return c;
        }
        if (pg->away && (pg->trying || mono_us() < pg->try_us)) {
            *e = pg->trouble;
            return NULL;
        }
        if (pg->open < pg->connections)
            return connect_for(pg, e);
        if (pthread_cond_timedwait(&pg->freed, &pg->lock, &until) == ETIMEDOUT) {
            err_set(e, ERR_UNAVAILABLE, "postgres: all %d connections are busy", pg->connections);
            return NULL;
        }
    }
}

static struct pg_conn *borrow(struct pg *pg, struct err *e)
{
    pthread_mutex_lock(&pg->lock);
    struct pg_conn *c = borrow_locked(pg, e);
    pthread_mutex_unlock(&pg->lock);
    if (c)
        c->seen = false;
    return c;
}

static void give_back(struct pg *pg, struct pg_conn *c)
{
    bool keep = !c->lost && PQstatus(c->handle) == CONNECTION_OK &&
                PQtransactionStatus(c->handle) == PQTRANS_IDLE;
    pthread_mutex_lock(&pg->lock);
    if (keep) {
        c->next = pg->idle;
        pg->idle = c;
    } else {
        pg->open--;
    }
    pthread_cond_signal(&pg->freed);
    pthread_mutex_unlock(&pg->lock);
    if (!keep)
        conn_free(c);
}

/* ---- running ---- */

static const char *const begins[] = {
    [PG_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    [PG_WRITE] = "BEGIN",
};

static bool end(struct pg_conn *c, enum pg_mode mode, bool ok, struct err *e)
{
    struct err ignored;
    if (ok && mode == PG_WRITE) {
        CHECK(PQtransactionStatus(c->handle) != PQTRANS_INERROR); /* COMMIT would say yes */
        return pg_script(c, "COMMIT", e) || err_add(e, "commit");
    }
    if (!c->lost && !pg_script(c, "ROLLBACK", &ignored))
        c->lost = true;
    return ok;
}

/* Rows nobody read would be the next one's. */
static void forget_rows(struct pg_conn *c)
{
    struct err ignored;
    enum got got = GOT_ONE;
    while (!c->lost && got == GOT_ONE)
        got = pg_step(c, &ignored);
}

static bool run_on(struct pg_conn *c, enum pg_mode mode, pg_fn fn, void *arg, bool *ret_again,
                   struct err *e)
{
    if (mode != PG_PLAIN && !pg_script(c, begins[mode], e)) {
        *ret_again = c->lost && c->reused;
        return false;
    }
    bool ok = fn(c, arg, e);
    if (mode == PG_PLAIN) {
        *ret_again = !ok && c->lost && c->reused && !c->seen;
        forget_rows(c);
        return ok;
    }
    return end(c, mode, ok, e);
}

bool pg_run(struct pg *pg, enum pg_mode mode, pg_fn fn, void *arg, struct err *e)
{
    bool ok, again;
    do {
        struct pg_conn *c = borrow(pg, e);
        if (!c)
            return false;
        again = false;
        ok = run_on(c, mode, fn, arg, &again, e);
        give_back(pg, c);
    } while (again);
    return ok;
}

void pg_version(struct pg *pg, char *out, size_t size)
{
    pthread_mutex_lock(&pg->lock);
    snprintf(out, size, "%s", pg->version);
    pthread_mutex_unlock(&pg->lock);
}
