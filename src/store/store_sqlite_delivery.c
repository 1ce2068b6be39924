/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries in tables of their own. A lease is a due time in the future: who does not settle has
 * it come again by itself. What a crash takes of this (a settled attempt at most) is done once
 * more, under the same id, so nothing here waits for the disk; readers let the writer catch up
 * first.
 */
#include "base/clock.h"
#include "store/store_sqlite.h"

#define HEAD                                                                                       \
    "SELECT d.id, d.job, d.url, d.kind, d.state, d.attempts, d.created_us, d.due_us, d.seq"        \
    " FROM deliveries d"

static struct db *db_of(struct store *s)
{
    return ((struct store_sqlite *)s)->db;
}

static void read_delivery(struct db_stmt *s, struct delivery *ret)
{
    *ret = (struct delivery){ .kind = (enum delivery_kind)db_int(s, 3),
                              .state = (enum delivery_state)db_int(s, 4),
                              .attempts = (int)db_int(s, 5),
                              .created_us = db_int(s, 6) };
    if (ret->state == DELIVERY_PENDING)
        ret->due_us = db_int(s, 7);
    sqlite_text(db_blob(s, 0), ret->id, sizeof ret->id);
    sqlite_text(db_blob(s, 1), ret->job, sizeof ret->job);
    sqlite_text(db_blob(s, 2), ret->url, sizeof ret->url);
}

/* A connection that sees all this process has written; give it back with db_reader_done(). */
static struct db_conn *reader(struct store *s, struct err *e)
{
    return db_sync(db_of(s), e) ? db_reader(db_of(s), e) : NULL;
}

/* ---- taking ---- */

struct lease {
    int64_t now_us, until_us, next_us;
    struct delivery *ret;
    int max, count;
};

static enum got find_due(struct db_conn *c, int64_t now_us, struct delivery *ret, int64_t *ret_seq,
                         struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c, HEAD " WHERE d.state = 1 AND d.due_us <= ? ORDER BY d.due_us LIMIT 1", e);
    if (!s)
        return GOT_FAILED;
    db_bind_int(s, 1, now_us);
    enum got got = db_step(s, e);
    if (got == GOT_ONE) {
        read_delivery(s, ret);
        *ret_seq = db_int(s, 8);
    }
    return got;
}

static bool take(struct db_conn *c, int64_t seq, int64_t until_us, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c, "UPDATE deliveries SET due_us = ?2, leased = 1 WHERE seq = ?1", e);
    if (!s)
        return false;
    db_bind_int(s, 1, seq);
    db_bind_int(s, 2, until_us);
    return sqlite_run(s, e);
}

/* The earliest due time of all; INT64_MAX: none. */
static bool find_next(struct db_conn *c, int64_t *ret, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "SELECT min(due_us) FROM deliveries WHERE state = 1", e);
    if (!s || db_step(s, e) != GOT_ONE)
        return false;
    *ret = db_blob(s, 0).ptr ? db_int(s, 0) : INT64_MAX;
    return true;
}

static bool write_lease(struct db_conn *c, void *arg, struct err *e)
{
    struct lease *l = arg;
    enum got got = GOT_NONE;
    int64_t seq;
    while (l->count < l->max &&
           (got = find_due(c, l->now_us, &l->ret[l->count], &seq, e)) == GOT_ONE) {
        if (!take(c, seq, l->until_us, e))
            return false;
        l->count++;
    }
    return got != GOT_FAILED && find_next(c, &l->next_us, e);
}

static bool sqlite_lease(struct store *s, int64_t now_us, int64_t lease_us, struct delivery *ret,
                         int max, int *ret_count, int64_t *ret_next_us, struct err *e)
{
    struct lease l = { .now_us = now_us, .until_us = now_us + lease_us, .ret = ret, .max = max };
    if (!db_write_wait(db_of(s), write_lease, &l, e))
        return false;
    *ret_count = l.count;
    *ret_next_us = l.next_us;
    return true;
}

/* ---- noting ---- */

struct settlement {
    char id[DELIVERY_TEXT];
    int attempts;
    struct delivery_attempt attempt;
    enum delivery_state state;
    int64_t due_us;
};

static bool settle_row(struct db_conn *c, const struct settlement *x, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "UPDATE deliveries SET state = ?3, attempts = ?2 + 1, due_us = ?4,"
                                 " leased = 0, settled_us = ?5"
                                 " WHERE id = ?1 AND attempts = ?2 AND state = 1",
                                 e);
    if (!s)
        return false;
    db_bind_text(s, 1, x->id);
    db_bind_int(s, 2, x->attempts);
    db_bind_int(s, 3, x->state);
    db_bind_int(s, 4, x->due_us);
    db_bind_int(s, 5, x->attempt.at_us);
    return sqlite_run(s, e);
}

static bool log_attempt(struct db_conn *c, const struct settlement *x, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "INSERT INTO delivery_attempts(delivery, at_us, took_us, status,"
                                 " error) SELECT seq, ?2, ?3, ?4, ?5 FROM deliveries WHERE id = ?1",
                                 e);
    if (!s)
        return false;
    db_bind_text(s, 1, x->id);
    db_bind_int(s, 2, x->attempt.at_us);
    db_bind_int(s, 3, x->attempt.took_us);
    db_bind_int(s, 4, x->attempt.status);
    db_bind_text(s, 5, x->attempt.error);
    return sqlite_run(s, e);
}

static bool bound_log(struct db_conn *c, const char *id, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "DELETE FROM delivery_attempts WHERE n IN (SELECT n"
                                 " FROM delivery_attempts WHERE delivery ="
                                 " (SELECT seq FROM deliveries WHERE id = ?1)"
                                 " ORDER BY n DESC LIMIT -1 OFFSET ?2)",
                                 e);
    if (!s)
        return false;
    db_bind_text(s, 1, id);
    db_bind_int(s, 2, DELIVERY_LOG);
    return sqlite_run(s, e);
}

static bool write_settle(struct db_conn *c, void *arg, struct err *e)
{
    const struct settlement *x = arg;
    if (!settle_row(c, x, e))
        return false;
    if (db_changes(c) == 0) /* somebody else's attempt counts, or it is gone */
        return true;
    return log_attempt(c, x, e) && bound_log(c, x->id, e);
}

static void settle_done(void *arg, UNUSED bool ok, UNUSED const struct err *e)
{
    free(arg);
}

static bool sqlite_settle(struct store *s, const struct delivery *d,
                          const struct delivery_attempt *a, enum delivery_state state,
                          int64_t due_us, UNUSED struct err *e)
{
    struct settlement *x = calloc(1, sizeof *x);
    CHECK(x);
    memcpy(x->id, d->id, sizeof x->id);
    x->attempts = d->attempts;
    x->attempt = *a;
    x->state = state;
    x->due_us = due_us;
    db_write_later(db_of(s), write_settle, settle_done, x);
    return true;
}

struct replay {
    const char *id;
    int64_t now_us;
    enum got got;
};

static bool write_replay(struct db_conn *c, void *arg, struct err *e)
{
    struct replay *r = arg;
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "UPDATE deliveries SET state = 1, attempts = 0, due_us = ?2,"
                                 " leased = 0 WHERE id = ?1 AND state > 0",
                                 e);
    if (!s)
        return false;
    db_bind_text(s, 1, r->id);
    db_bind_int(s, 2, r->now_us);
    if (!sqlite_run(s, e))
        return false;
    r->got = db_changes(c) ? GOT_ONE : GOT_NONE;
    return true;
}

static enum got sqlite_replay(struct store *s, const char *id, int64_t now_us, struct err *e)
{
    struct replay r = { .id = id, .now_us = now_us };
    return db_write_wait(db_of(s), write_replay, &r, e) ? r.got : GOT_FAILED;
}

/* ---- looking ---- */

static bool each_attempt(struct db_conn *c, int64_t seq,
                         void (*fn)(void *arg, const struct delivery_attempt *a), void *arg,
                         struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "SELECT at_us, took_us, status, error FROM delivery_attempts"
                                 " WHERE delivery = ? ORDER BY n",
                                 e);
    if (!s)
        return false;
    db_bind_int(s, 1, seq);
    enum got got;
    while ((got = db_step(s, e)) == GOT_ONE) {
        struct delivery_attempt a = { .at_us = db_int(s, 0),
                                      .took_us = db_int(s, 1),
                                      .status = (int)db_int(s, 2) };
        sqlite_text(db_blob(s, 3), a.error, sizeof a.error);
        fn(arg, &a);
    }
    return got == GOT_NONE;
}

static enum got find_delivery(struct db_conn *c, const char *id, struct delivery *ret,
                              int64_t *ret_seq, struct err *e)
{
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, HEAD " WHERE d.id = ?", e);
    if (!s)
        return GOT_FAILED;
    db_bind_text(s, 1, id);
    enum got got = db_step(s, e);
    if (got != GOT_ONE)
        return got;
    if (ret)
        read_delivery(s, ret);
    *ret_seq = db_int(s, 8);
    return GOT_ONE;
}

static enum got sqlite_load_delivery(struct store *s, const char *id, struct delivery *ret,
                                     void (*attempt)(void *arg, const struct delivery_attempt *a),
                                     void *arg, struct err *e)
{
    struct db_conn *c = reader(s, e);
    if (!c)
        return GOT_FAILED;
    int64_t seq;
    enum got got = find_delivery(c, id, ret, &seq, e);
    if (got == GOT_ONE && attempt && !each_attempt(c, seq, attempt, arg, e))
        got = GOT_FAILED;
    db_reader_done(db_of(s), c);
    return got;
}

static struct db_stmt *query_list(struct db_conn *c, const struct delivery_filter *f,
                                  int64_t before, struct err *e)
{
    CLEANUP(buf_done) struct buf sql = { 0 };
    buf_add_text(&sql, HEAD);
    buf_add_text(&sql, f->has_state ? " WHERE d.state = ?1" : " WHERE d.state > 0");
    if (f->job)
        buf_add_text(&sql, " AND d.job = ?2");
    buf_add_text(&sql, " AND d.seq < ?3 ORDER BY d.seq DESC LIMIT ?4");
    struct db_stmt *s = db_query(c, sql.ptr, e);
    if (!s)
        return NULL;
    if (f->has_state)
        db_bind_int(s, 1, f->state);
    if (f->job)
        db_bind_text(s, 2, f->job);
    db_bind_int(s, 3, before);
    db_bind_int(s, 4, f->limit);
    return s;
}

static bool list(struct db_conn *c, const struct delivery_filter *f,
                 void (*fn)(void *arg, const struct delivery *d), void *arg, struct err *e)
{
    int64_t before = INT64_MAX;
    enum got got = f->after ? find_delivery(c, f->after, NULL, &before, e) : GOT_ONE;
    if (got == GOT_NONE)
        err_invalid(e, "after", "no delivery %s to go on from", f->after);
    if (got != GOT_ONE)
        return false;
    CLEANUP(db_stmt_done) struct db_stmt *s = query_list(c, f, before, e);
    if (!s)
        return false;
    while ((got = db_step(s, e)) == GOT_ONE) {
        struct delivery d;
        read_delivery(s, &d);
        fn(arg, &d);
    }
    return got == GOT_NONE;
}

static bool sqlite_list_deliveries(struct store *s, const struct delivery_filter *f,
                                   void (*fn)(void *arg, const struct delivery *d), void *arg,
                                   struct err *e)
{
    struct db_conn *c = reader(s, e);
    if (!c)
        return false;
    bool ok = list(c, f, fn, arg, e);
    db_reader_done(db_of(s), c);
    return ok;
}

static bool read_stats(struct db_conn *c, struct delivery_stats *ret, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c, "SELECT count(*), min(due_us) FROM deliveries WHERE state = 1", e);
    if (!s || db_step(s, e) != GOT_ONE)
        return false;
    *ret = (struct delivery_stats){ .pending = db_int(s, 0), .oldest_due_us = db_int(s, 1) };
    return true;
}

/* For metrics: as the file has it, the writer is not waited for. */
static bool sqlite_stats(struct store *s, struct delivery_stats *ret, struct err *e)
{
    struct db_conn *c = db_reader(db_of(s), e);
    if (!c)
        return false;
    bool ok = read_stats(c, ret, e);
    db_reader_done(db_of(s), c);
    return ok;
}

const struct delivery_ops sqlite_deliveries = {
    .lease = sqlite_lease,
    .settle = sqlite_settle,
    .replay = sqlite_replay,
    .load = sqlite_load_delivery,
    .list = sqlite_list_deliveries,
    .stats = sqlite_stats,
};
