/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection. libpq is used without blocking: what it wants to write and read is waited for
 * with poll(2) and a deadline, since a network that swallows packets would hold a blocking call for
 * many minutes. A connection that missed its deadline is lost: what it would answer next belongs to
 * a statement nobody waits for any more.
 *
 * Rows come one at a time (PQsetSingleRowMode), so that a page of large results is never in memory
 * as a whole.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/text.h"
#include "drivers/postgres_internal.h"

/* Of the catalogue pg_type: fixed for ever, but in no public header. */
enum { OID_INT8 = 20, OID_TEXT = 25, OID_TEXT_ARRAY = 1009, OID_INT8_ARRAY = 1016 };

/* ---- errors ---- */

/* libpq speaks in lines: the first says it all, the rest are hints for psql's user. */
static void first_line(const char *text, char *out, size_t size)
{
    size_t len = strcspn(text, "\n");
    snprintf(out, size, "%.*s", (int)len, text);
}

static bool lost(struct pg_conn *c, const char *what, struct err *e)
{
    char words[200];
    first_line(PQerrorMessage(c->handle), words, sizeof words);
    c->lost = true;
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", what, *words ? words : "the connection broke");
}

bool conn_err(struct pg_conn *c, const char *what, struct err *e)
{
    return lost(c, what, e);
}

static const struct {
    const char *state; /* the beginning of a SQLSTATE; the first that fits counts */
    enum err_kind kind;
    bool lost; /* the next statement would fail as well */
} states[] = {
    { "08", ERR_UNAVAILABLE, true },     /* connection exceptions */
    { "23505", ERR_CONFLICT, false },    /* unique_violation */
    { "22", ERR_INVALID, false },        /* data exceptions */
    { "23", ERR_INVALID, false },        /* integrity constraints */
    { "54", ERR_INVALID, false },        /* program limits: too large for an index, a field */
    { "21", ERR_INVALID, false },        /* cardinality */
    { "25006", ERR_UNAVAILABLE, true },  /* read only: a standby, or the primary of a while ago */
    { "25P03", ERR_UNAVAILABLE, true },  /* idle_in_transaction_session_timeout */
    { "26000", ERR_UNAVAILABLE, true },  /* a pooler lost our prepared statement */
    { "40", ERR_UNAVAILABLE, false },    /* serialization_failure, deadlock_detected */
    { "53", ERR_UNAVAILABLE, false },    /* disk_full, out_of_memory, too_many_connections */
    { "55P03", ERR_UNAVAILABLE, false }, /* lock_not_available */
    { "57014", ERR_UNAVAILABLE, false }, /* statement_timeout, or an operator's cancel */
    { "57", ERR_UNAVAILABLE, true },     /* the server stops, crashed, starts */
    { "58", ERR_UNAVAILABLE, false },    /* its disk fails */
};

static bool result_err(struct pg_conn *c, const PGresult *result, struct err *e)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    if (!state || !words) /* no answer of the server: libpq's own */
        return lost(c, "postgres", e);

    err_set(e, ERR_SYSTEM, "postgres: %s (%s)", words, state);
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        if (strncmp(state, states[i].state, strlen(states[i].state)) != 0)
            continue;
        e->kind = states[i].kind;
        c->lost |= states[i].lost;
        break;
    }
    if (strcmp(state, "57014") == 0)
        e->sys = ETIMEDOUT;
    if (e->kind == ERR_CONFLICT)
        snprintf(e->field, sizeof e->field, "%s", constraint ? constraint : "");
    return false;
}

/* ---- waiting ---- */

static bool wait_for(struct pg_conn *c, short events, struct err *e)
{
    for (;;) {
        int64_t left_us = c->deadline_us - mono_us();
        if (left_us <= 0) {
            c->lost = true;
            err_set(e, ERR_UNAVAILABLE, "postgres: no answer in %lld ms",
                    (long long)(c->timeout_us / 1000));
            e->sys = ETIMEDOUT;
            return false;
        }
        struct pollfd p = { .fd = PQsocket(c->handle), .events = events };
        int64_t left_ms = left_us / 1000 + 1;
        int n = poll(&p, 1, left_ms > 1000000 ? 1000000 : (int)left_ms);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return err_sys(e, "postgres: poll");
    }
}

/* Send all of it; what the server says meanwhile is read, or both sides would wait for ever. */
static bool flush(struct pg_conn *c, struct err *e)
{
    int more;
    while ((more = PQflush(c->handle)) == 1) {
        if (!wait_for(c, POLLIN | POLLOUT, e))
            return false;
        if (!PQconsumeInput(c->handle))
            return lost(c, "postgres", e);
    }
    return more == 0 || lost(c, "postgres", e);
}

/* The next result; NULL in ret: the statement is done. */
static bool next_result(struct pg_conn *c, PGresult **ret, struct err *e)
{
    while (PQisBusy(c->handle)) {
        if (!wait_for(c, POLLIN, e))
            return false;
        if (!PQconsumeInput(c->handle))
            return lost(c, "postgres", e);
    }
    *ret = PQgetResult(c->handle);
    return true;
}

static void drop_row(struct pg_conn *c)
{
    PQclear(c->row);
    c->row = NULL;
}

/* Read what is left of a statement and forget it. */
static bool drain(struct pg_conn *c, struct err *e)
{
    drop_row(c);
    while (c->busy) {
        PGresult *result = NULL;
        if (!next_result(c, &result, e))
            return false;
        c->busy = result != NULL;
        PQclear(result);
    }
    return true;
}

/* A message of the protocol ends at 1 GiB, and the server ends the connection over a larger one. */
enum { MESSAGE_MOST = 1000000000 };

static bool begin(struct pg_conn *c, int64_t bytes, struct err *e)
{
    if (bytes > MESSAGE_MOST)
        return err_set(e, ERR_INVALID, "postgres: %lld bytes are too much for one statement",
                       (long long)bytes);
    if (c->lost)
        return err_set(e, ERR_UNAVAILABLE, "postgres: the connection broke");
    c->deadline_us = mono_us() + c->timeout_us + bytes; /* large ones may take a second per MB */
    return drain(c, e);
}

/* ---- parameters ---- */

void pg_add_int(struct pg_args *a, int64_t value)
{
    CHECK(a->count < PG_ARGS);
    uint64_t wire = htobe64((uint64_t)value);
    memcpy(a->at[a->count].small, &wire, sizeof wire);
    a->at[a->count].type = OID_INT8;
    a->at[a->count].bytes = (struct str){ NULL, sizeof wire };
    a->count++;
}

static void add_bytes(struct pg_args *a, unsigned type, struct str bytes)
{
    CHECK(a->count < PG_ARGS);
    a->at[a->count].type = type;
    a->at[a->count].bytes = bytes;
    a->count++;
}

void pg_add_text(struct pg_args *a, struct str text)
{
    add_bytes(a, OID_TEXT, text.ptr ? text : STR_NULL);
}

static void add_u32(struct buf *b, uint32_t value)
{
    uint32_t wire = htobe32(value);
    buf_add(b, &wire, sizeof wire);
}

/* Room for the header of an array, which is known when it is whole: see array_recv() in
 * PostgreSQL's arrayfuncs.c: dimensions, null flag, element type, size, lower bound. */
enum { ARRAY_HEAD = 5 * sizeof(uint32_t) };

static void list_begin(struct pg_list *l)
{
    if (l->count++ == 0)
        memset(buf_reserve(&l->bytes, ARRAY_HEAD), 0, ARRAY_HEAD), l->bytes.len = ARRAY_HEAD;
}

void pg_list_done(struct pg_list *l)
{
    buf_done(&l->bytes);
    l->count = 0;
}

void pg_list_int(struct pg_list *l, int64_t value)
{
    list_begin(l);
    uint64_t wire = htobe64((uint64_t)value);
    add_u32(&l->bytes, sizeof wire);
    buf_add(&l->bytes, &wire, sizeof wire);
}

void pg_list_text(struct pg_list *l, struct str text)
{
    list_begin(l);
    add_u32(&l->bytes, text.ptr ? (uint32_t)text.len : UINT32_MAX);
    if (text.ptr)
        buf_add_str(&l->bytes, text);
}

static void add_list(struct pg_args *a, struct pg_list *l, unsigned type, unsigned element)
{
    const uint32_t head[] = { l->count > 0, 1, element, (uint32_t)l->count, 1 };
    _Static_assert(sizeof head == ARRAY_HEAD, "the header of an array");
    if (l->count == 0)
        buf_reserve(&l->bytes, ARRAY_HEAD);
    for (size_t i = 0; i < COUNT_OF(head); i++) {
        uint32_t wire = htobe32(head[i]);
        memcpy(l->bytes.ptr + i * sizeof wire, &wire, sizeof wire);
    }
    if (l->count == 0) /* an empty one has no dimensions */
        l->bytes.len = 3 * sizeof(uint32_t);
    add_bytes(a, type, buf_str(&l->bytes));
}

void pg_add_ints(struct pg_args *a, struct pg_list *l)
{
    add_list(a, l, OID_INT8_ARRAY, OID_INT8);
}

void pg_add_texts(struct pg_args *a, struct pg_list *l)
{
    add_list(a, l, OID_TEXT_ARRAY, OID_TEXT);
}

/* As libpq wants them. */
struct wire {
    Oid types[PG_ARGS];
    const char *values[PG_ARGS];
    int lengths[PG_ARGS], formats[PG_ARGS];
    int count;
    int64_t bytes;
};

static void wire_init(struct wire *w, const struct pg_args *a)
{
    *w = (struct wire){ .count = a ? a->count : 0 };
    for (int i = 0; i < w->count; i++) {
        bool number = a->at[i].type == OID_INT8;
        w->types[i] = a->at[i].type;
        w->values[i] = number ? a->at[i].small : a->at[i].bytes.ptr;
        w->lengths[i] = (int)a->at[i].bytes.len;
        w->formats[i] = 1;
        w->bytes += w->lengths[i];
    }
}

/* ---- statements ---- */

struct prepared {
    char name[16];
    char sql[];
};

/* Ours, the statement, its end: the connection is ready for the next one. */
static bool finish(struct pg_conn *c, struct err *e)
{
    bool ok = true;
    c->busy = true;
    if (!flush(c, e))
        return false;
    while (c->busy) {
        PGresult *result = NULL;
        if (!next_result(c, &result, e))
            return false;
        c->busy = result != NULL;
        if (result && ok && PQresultStatus(result) == PGRES_FATAL_ERROR)
            ok = result_err(c, result, e);
        PQclear(result);
    }
    return ok;
}

static const struct prepared *prepare(struct pg_conn *c, const char *sql, const struct wire *w,
                                      struct err *e)
{
    const struct prepared *known = map_get(&c->prepared, sql);
    if (known)
        return known;
    size_t size = strlen(sql) + 1;
    struct prepared *p = malloc(sizeof *p + size);
    CHECK(p);
    memcpy(p->sql, sql, size);
    snprintf(p->name, sizeof p->name, "evalx_%d", c->prepared_count++);
    if (!PQsendPrepare(c->handle, p->name, sql, w->count, w->types) ? !lost(c, "postgres", e)
                                                                    : !finish(c, e)) {
        free(p);
        return NULL;
    }
    map_put(&c->prepared, p->sql, p);
    return p;
}

static bool sent(struct pg_conn *c, bool ok, struct err *e)
{
    if (!ok)
        return lost(c, "postgres", e);
    c->busy = true;
    PQsetSingleRowMode(c->handle);
    return flush(c, e);
}

bool pg_ask(struct pg_conn *c, const char *sql, const struct pg_args *args, struct err *e)
{
    struct wire w;
    wire_init(&w, args);
    if (!begin(c, w.bytes, e))
        return false;
    const struct prepared *p = prepare(c, sql, &w, e);
    return p &&
           sent(c,
                PQsendQueryPrepared(c->handle, p->name, w.count, w.values, w.lengths, w.formats, 0),
                e);
}

bool pg_ask_once(struct pg_conn *c, const char *sql, const struct pg_args *args, struct err *e)
{
    struct wire w;
    wire_init(&w, args);
    return begin(c, w.bytes, e) && sent(c,
                                        PQsendQueryParams(c->handle, sql, w.count, w.types,
                                                          w.values, w.lengths, w.formats, 0),
                                        e);
}

static bool parse_changes(const PGresult *result, int64_t *ret)
{
    return parse_int(str_of(PQcmdTuples((PGresult *)(uintptr_t)result)), ret);
}

enum got pg_step(struct pg_conn *c, struct err *e)
{
    drop_row(c);
    while (c->busy) {
        PGresult *result = NULL;
        if (!next_result(c, &result, e))
            return GOT_FAILED;
        c->busy = result != NULL;
        c->deadline_us = mono_us() + c->timeout_us; /* it is answering */
        ExecStatusType status = result ? PQresultStatus(result) : PGRES_COMMAND_OK;
        if (status == PGRES_SINGLE_TUPLE) {
            c->row = result;
            c->seen = true;
            return GOT_ONE;
        }
        if (status == PGRES_FATAL_ERROR) {
            result_err(c, result, e);
            PQclear(result);
            struct err later; /* what follows an error is its end; the error is what counts */
            if (!drain(c, &later))
                c->lost = true;
            return GOT_FAILED;
        }
        if (result && !parse_changes(result, &c->changes))
            c->changes = 0;
        PQclear(result);
    }
    return GOT_NONE;
}

bool pg_exec(struct pg_conn *c, const char *sql, const struct pg_args *args, struct err *e)
{
    if (!pg_ask(c, sql, args, e))
        return false;
    enum got got;
    while ((got = pg_step(c, e)) == GOT_ONE)
        continue;
    return got == GOT_NONE;
}

bool pg_script(struct pg_conn *c, const char *sql, struct err *e)
{
    if (!begin(c, 0, e))
        return false;
    return PQsendQuery(c->handle, sql) ? finish(c, e) : lost(c, "postgres", e);
}

bool pg_patience(struct pg_conn *c, int64_t bytes, struct err *e)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SET LOCAL statement_timeout = %lld",
             (long long)((c->timeout_us + bytes) / 1000));
    return pg_script(c, sql, e);
}

int64_t pg_int(const struct pg_conn *c, int column)
{
    int64_t value;
    struct str text = pg_text(c, column);
    return text.ptr && parse_int(text, &value) ? value : 0;
}

struct str pg_text(const struct pg_conn *c, int column)
{
    if (PQgetisnull(c->row, 0, column))
        return STR_NULL;
    return (struct str){ PQgetvalue(c->row, 0, column), (size_t)PQgetlength(c->row, 0, column) };
}

int64_t pg_changes(const struct pg_conn *c)
{
    return c->changes;
}

void conn_free(struct pg_conn *c)
{
    if (!c)
        return;
    drop_row(c);
    PQfinish(c->handle);
    struct prepared *p;
    for (size_t at = 0; (p = map_next(&c->prepared, &at));)
        free(p);
    map_done(&c->prepared);
    free(c);
}
