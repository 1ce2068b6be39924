/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How records end: finished, cancelled, moved to a history, removed, swept. Whatever follows from
 * an end (deliveries that become due, keys that are free again) is in the same write.
 */
#include "store/store_sqlite.h"

#include "base/clock.h"

/* ---- ends ---- */

struct row {
    int64_t seq, retention_us, finished_us;
    enum job_state state;
    enum verdict verdict;
    bool owes; /* deliveries */
};

static enum got find_row(struct db_conn *c, const char *id, struct row *ret, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c,
                 "SELECT seq, retention_us, finished_us, state, verdict, owes FROM submissions"
                 " WHERE id = ?",
                 e);
    if (!s)
        return GOT_FAILED;
    db_bind_text(s, 1, id);
    enum got got = db_step(s, e);
    if (got == GOT_ONE)
        *ret = (struct row){ .seq = db_int(s, 0),
                             .retention_us = db_int(s, 1),
                             .finished_us = db_int(s, 2),
                             .state = (enum job_state)db_int(s, 3),
                             .verdict = (enum verdict)db_int(s, 4),
                             .owes = db_int(s, 5) > 0 };
    return got;
}

static bool put_result(struct db_conn *c, int64_t seq, struct str json, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "INSERT OR REPLACE INTO results(seq, body) VALUES(?, ?)", e);
    if (!s)
        return false;
    db_bind_int(s, 1, seq);
    db_bind_blob(s, 2, json);
    return sqlite_run(s, e);
}

/* One statement with the id of a submission. */
static bool run_for(struct db_conn *c, const char *sql, const char *id, struct err *e)
{
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, sql, e);
    if (!s)
        return false;
    db_bind_text(s, 1, id);
    return sqlite_run(s, e);
}

static bool make_due(struct db_conn *c, const char *id, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "UPDATE deliveries SET state = 1, attempts = 0, due_us = ?2,"
                                 " leased = 0 WHERE job = ?1 AND state = 0",
                                 e);
    if (!s)
        return false;
    db_bind_text(s, 1, id);
    db_bind_int(s, 2, wall_us());
    return sqlite_run(s, e);
}

static bool end_row(struct db_conn *c, const char *id, const struct row *row,
                    const struct ending *ending, int64_t retention_us, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c,
                 "UPDATE submissions SET state = ?2, verdict = ?3, attempts = max(attempts, ?4),"
                 " started_us = CASE WHEN ?5 > 0 THEN ?5 ELSE started_us END,"
                 " finished_us = ?6, expires_us = nullif(?7, 0) WHERE seq = ?1",
                 e);
    if (!s)
        return false;
    db_bind_int(s, 1, row->seq);
    db_bind_int(s, 2, ending->state);
    db_bind_int(s, 3, ending->verdict);
    db_bind_int(s, 4, ending->attempt);
    db_bind_int(s, 5, ending->started_us);
    db_bind_int(s, 6, ending->finished_us);
    db_bind_int(s, 7, record_expires(ending->finished_us, row->retention_us, retention_us));
    return sqlite_run(s, e) && put_result(c, row->seq, buf_str(&ending->json), e) &&
           (!row->owes || make_due(c, id, e));
}

struct finish {
    struct store_sqlite *store;
    char id[TOKEN_TEXT];
    struct ending ending;
    enum got won;
    store_done_fn done;
    void *arg;
};

static bool write_finish(struct db_conn *c, void *arg, struct err *e)
{
    struct finish *f = arg;
    struct row row;
    f->won = find_row(c, f->id, &row, e);
    if (f->won == GOT_ONE && state_final(row.state))
        f->won = GOT_NONE;
    if (f->won == GOT_ONE)
        return end_row(c, f->id, &row, &f->ending, f->store->config.retention_us, e);
    return f->won == GOT_NONE;
}

static void finish_done(void *arg, bool ok, const struct err *e)
{
    struct finish *f = arg;
    f->done(f->arg, ok ? f->won : GOT_FAILED, e);
    ending_done(&f->ending);
    free(f);
}

void sqlite_finish(struct store *s, const char *id, UNUSED const char *receipt,
                   const struct result *result, store_done_fn done, void *arg)
{
    struct finish *f = calloc(1, sizeof *f);
    CHECK(f);
    f->store = (struct store_sqlite *)s;
    sqlite_text(str_of(id), f->id, sizeof f->id);
    ending_init(&f->ending, result);
    f->done = done;
    f->arg = arg;
    db_write(f->store->db, write_finish, finish_done, f);
}

struct cancel {
    const struct store_sqlite *store;
    const char *id;
    struct ending ending;
    enum job_state state; /* afterwards */
    bool won;
};

static bool mark_cancel(struct db_conn *c, int64_t seq, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "UPDATE submissions SET cancel_asked = 1 WHERE seq = ?", e);
    if (!s)
        return false;
    db_bind_int(s, 1, seq);
    return sqlite_run(s, e);
}

static bool write_cancel(struct db_conn *c, void *arg, struct err *e)
{
    struct cancel *cancel = arg;
    struct row row;
    enum got got = find_row(c, cancel->id, &row, e);
    if (got == GOT_NONE)
        err_set(e, ERR_NOT_FOUND, "no submission %s", cancel->id);
    if (got != GOT_ONE)
        return false;

    cancel->won = row.state == STATE_QUEUED;
    cancel->state = cancel->won ? STATE_CANCELLED : row.state;
    if (cancel->won)
        return end_row(c, cancel->id, &row, &cancel->ending, cancel->store->config.retention_us, e);
    return row.state != STATE_RUNNING || mark_cancel(c, row.seq, e);
}

enum got sqlite_cancel(struct store *s, const char *id, enum job_state *ret_state, struct err *e)
{
    struct store_sqlite *store = (struct store_sqlite *)s;
    struct cancel cancel = { .store = store, .id = id };
    ending_init_cancelled(&cancel.ending);
    bool ok = db_write_wait(store->db, write_cancel, &cancel, e);
    ending_done(&cancel.ending);
    if (!ok)
        return GOT_FAILED;
    *ret_state = cancel.state;
    return cancel.won ? GOT_ONE : GOT_NONE;
}

/* ---- second thoughts ---- */

struct amend {
    const struct store_sqlite *store;
    const char *id;
    int64_t finished_us;
    struct ending ending;
    enum got got;
};

/* It is news for a history, and until that has it the copy here stays its whole time. */
static bool make_fresh(struct db_conn *c, const struct row *row, int64_t finished_us,
                       int64_t retention_us, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c,
                 "UPDATE submissions SET archived = min(archived, 0), finished_us = ?2,"
                 " expires_us = nullif(?3, 0) WHERE seq = ?1",
                 e);
    if (!s)
        return false;
    db_bind_int(s, 1, row->seq);
    db_bind_int(s, 2, finished_us);
    db_bind_int(s, 3, record_expires(finished_us, row->retention_us, retention_us));
    return sqlite_run(s, e);
}

static bool write_amend(struct db_conn *c, void *arg, struct err *e)
{
    struct amend *amend = arg;
    struct row row;
    amend->got = find_row(c, amend->id, &row, e);
    if (amend->got != GOT_ONE)
        return amend->got == GOT_NONE;
    if (!state_final(row.state) || row.finished_us != amend->finished_us) {
        amend->got = GOT_NONE;
        return true;
    }
    return put_result(c, row.seq, buf_str(&amend->ending.json), e) &&
           make_fresh(c, &row, record_amended(row.finished_us, amend->ending.finished_us),
                      amend->store->config.retention_us, e);
}

enum got sqlite_amend(struct store *s, const char *id, int64_t finished_us,
                      const struct result *result, struct err *e)
{
    struct store_sqlite *store = (struct store_sqlite *)s;
    struct amend amend = { .store = store, .id = id, .finished_us = finished_us };
    ending_init(&amend.ending, result);
    bool ok = db_write_wait(store->db, write_amend, &amend, e);
    ending_done(&amend.ending);
    return ok ? amend.got : GOT_FAILED;
}

struct reopen {
    const char *id;
    enum got got;
};

static bool reopen_row(struct db_conn *c, const char *id, struct err *e)
{
    static const char *const texts[] = {
        "DELETE FROM results WHERE seq = (SELECT seq FROM submissions WHERE id = ?)",
        "UPDATE submissions SET state = 0, verdict = NULL, attempts = 0, cancel_asked = 0,"
        " started_us = 0, finished_us = 0, expires_us = NULL, archived = min(archived, 0)"
        " WHERE id = ?",
        "UPDATE deliveries SET state = 0, attempts = 0, leased = 0 WHERE job = ?",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (!run_for(c, texts[i], id, e))
            return false;
    return true;
}

static bool write_reopen(struct db_conn *c, void *arg, struct err *e)
{
    struct reopen *reopen = arg;
    struct row row;
    reopen->got = find_row(c, reopen->id, &row, e);
    if (reopen->got != GOT_ONE)
        return reopen->got == GOT_NONE;
    if (row.state != STATE_FINISHED || row.verdict != VERDICT_INTERNAL_ERROR) {
        reopen->got = GOT_NONE;
        return true;
    }
    return reopen_row(c, reopen->id, e);
}

enum got sqlite_reopen(struct store *s, const char *id, struct err *e)
{
    struct reopen reopen = { .id = id };
    bool ok = db_write_wait(((struct store_sqlite *)s)->db, write_reopen, &reopen, e);
    return ok ? reopen.got : GOT_FAILED;
}

/* ---- the history has it ---- */

struct archived {
    char id[TOKEN_TEXT];
    int64_t finished_us, drop_us;
};

static bool write_archived(struct db_conn *c, void *arg, struct err *e)
{
    const struct archived *a = arg;
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "UPDATE submissions SET archived = 1,"
                                 " expires_us = min(coalesce(expires_us, ?3), ?3)"
                                 " WHERE id = ?1 AND finished_us = ?2 AND state > 1"
                                 " AND archived >= 0",
                                 e);
    if (!s)
        return false;
    db_bind_text(s, 1, a->id);
    db_bind_int(s, 2, a->finished_us);
    db_bind_int(s, 3, a->drop_us);
    return sqlite_run(s, e);
}

static void archived_done(void *arg, UNUSED bool ok, UNUSED const struct err *e)
{
    free(arg);
}

/* Nobody has to wait for the disk: what a crash takes is archived once more. */
bool sqlite_archived(struct store *s, const char *id, int64_t finished_us, int64_t drop_us,
                     UNUSED struct err *e)
{
    struct archived *a = calloc(1, sizeof *a);
    CHECK(a);
    sqlite_text(str_of(id), a->id, sizeof a->id);
    a->finished_us = finished_us;
    a->drop_us = drop_us;
    db_write_later(((struct store_sqlite *)s)->db, write_archived, archived_done, a);
    return true;
}

/* ---- removing ---- */

static bool delete_row(struct db_conn *c, int64_t seq, struct err *e)
{
    static const char *const texts[] = {
        "DELETE FROM results WHERE seq = ?",
        "DELETE FROM jobs WHERE seq = ?",
        "DELETE FROM submissions WHERE seq = ?",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, texts[i], e);
        if (!s)
            return false;
        db_bind_int(s, 1, seq);
        if (!sqlite_run(s, e))
            return false;
    }
    return true;
}

/* What hangs on a submission wherever its record is: here or in a history. */
static bool delete_rest(struct db_conn *c, const char *id, struct err *e)
{
    static const char *const texts[] = {
        "DELETE FROM keys WHERE id = ?",
        "DELETE FROM delivery_attempts WHERE delivery IN"
        " (SELECT seq FROM deliveries WHERE job = ?)",
        "DELETE FROM deliveries WHERE job = ?",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (!run_for(c, texts[i], id, e))
            return false;
    return true;
}

struct removal {
    const char *id;
    enum got got;
    enum job_state state;
};

static bool write_remove(struct db_conn *c, void *arg, struct err *e)
{
    struct removal *r = arg;
    struct row row = { 0 };
    r->got = find_row(c, r->id, &row, e);
    if (r->got == GOT_FAILED)
        return false;
    r->state = r->got == GOT_ONE ? row.state : STATE_FINISHED;
    if (!state_final(r->state))
        return true;
    return delete_rest(c, r->id, e) && (r->got == GOT_NONE || delete_row(c, row.seq, e));
}

bool sqlite_remove(struct store *s, const char *id, struct err *e)
{
    struct removal r = { .id = id };
    if (!db_write_wait(((struct store_sqlite *)s)->db, write_remove, &r, e))
        return false;
    if (r.got == GOT_NONE)
        return err_set(e, ERR_NOT_FOUND, "no submission %s", id);
    if (!state_final(r.state))
        return err_set(e, ERR_CONFLICT, "submission %s is %s", id, state_name(r.state));
    return true;
}

/* ---- sweeping ---- */

struct sweep {
    int64_t now_us, swept;
    int batch;
};

struct expired {
    int64_t seq;
    bool archived;
    char id[TOKEN_TEXT];
};

/* One expired row; GOT_NONE: there is none. */
static enum got find_expired(struct db_conn *c, int64_t now_us, struct expired *ret, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "SELECT seq, archived, id FROM submissions"
                                 " WHERE expires_us IS NOT NULL AND expires_us <= ?"
                                 " ORDER BY expires_us LIMIT 1",
                                 e);
    if (!s)
        return GOT_FAILED;
    db_bind_int(s, 1, now_us);
    enum got got = db_step(s, e);
    if (got != GOT_ONE)
        return got;
    ret->seq = db_int(s, 0);
    ret->archived = db_int(s, 1) > 0;
    sqlite_text(db_blob(s, 2), ret->id, sizeof ret->id);
    return GOT_ONE;
}

/* Keys and deliveries of records that moved away, when nobody can ask for them any more. */
static bool sweep_rest(struct db_conn *c, const struct sweep *sweep, struct err *e)
{
    static const char *const texts[] = {
        "DELETE FROM keys WHERE key IN (SELECT key FROM keys k WHERE k.expires_us <= ?1 AND"
        " NOT EXISTS(SELECT 1 FROM submissions s WHERE s.id = k.id) LIMIT ?2)",
        "DELETE FROM deliveries WHERE seq IN (SELECT seq FROM deliveries d WHERE d.state > 1 AND"
        " d.settled_us <= ?1 - 604800000000 AND"
        " NOT EXISTS(SELECT 1 FROM submissions s WHERE s.id = d.job) LIMIT ?2)",
        "DELETE FROM delivery_attempts WHERE n IN (SELECT n FROM delivery_attempts a"
        " WHERE a.at_us <= ?1 - 604800000000 AND"
        " NOT EXISTS(SELECT 1 FROM deliveries d WHERE d.seq = a.delivery) LIMIT ?2)",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, texts[i], e);
        if (!s)
            return false;
        db_bind_int(s, 1, sweep->now_us);
        db_bind_int(s, 2, sweep->batch);
        if (!sqlite_run(s, e))
            return false;
    }
    return true;
}

static bool read_pragma(struct db_conn *c, const char *sql, int64_t *ret, struct err *e)
{
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, sql, e);
    if (!s || db_step(s, e) == GOT_FAILED)
        return false;
    *ret = db_int(s, 0);
    return true;
}

/* Room left free is used by what comes next; only when there is much of it some is given back. */
static bool give_room_back(struct db_conn *c, struct err *e)
{
    int64_t free_pages, pages;
    if (!read_pragma(c, "PRAGMA freelist_count", &free_pages, e) ||
        !read_pragma(c, "PRAGMA page_count", &pages, e))
        return false;
    return free_pages < pages / 4 || db_exec(c, "PRAGMA incremental_vacuum(500)", e);
}

static bool write_sweep(struct db_conn *c, void *arg, struct err *e)
{
    struct sweep *sweep = arg;
    enum got got = GOT_NONE;
    struct expired x;
    while (sweep->swept < sweep->batch &&
           (got = find_expired(c, sweep->now_us, &x, e)) == GOT_ONE) {
        if (!delete_row(c, x.seq, e) || (!x.archived && !delete_rest(c, x.id, e)))
            return false;
        sweep->swept++;
    }
    return got != GOT_FAILED && sweep_rest(c, sweep, e) && give_room_back(c, e);
}

bool sqlite_sweep(struct store *s, int64_t now_us, int batch, int64_t *ret, struct err *e)
{
    struct sweep sweep = { .now_us = now_us, .batch = batch };
    if (!db_write_wait(((struct store_sqlite *)s)->db, write_sweep, &sweep, e))
        return false;
    *ret = sweep.swept;
    return true;
}
