/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history_sqlite.h"

#include "store/store_sqlite.h"

struct history_sqlite {
    struct db_conn *c;
    int64_t retention_us;
    int64_t tidy_bytes; /* written since the log was copied back */
};

enum { TIDY_BYTES = 16 << 20 };

static bool check_version(struct db_conn *c, const char *path, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "SELECT version FROM schema_parts WHERE part = 'store'", e);
    enum got got = s ? db_step(s, e) : GOT_FAILED;
    if (got != GOT_ONE)
        return err_set(e, ERR_SYSTEM, "%s is no database of submissions", path);
    int64_t version = db_int(s, 0);
    if (version == sqlite_schema_version)
        return true;
    return err_set(e, ERR_SYSTEM,
                   "%s has version %lld, this program knows %d: start a server of this version on "
                   "it once",
                   path, (long long)version, sqlite_schema_version);
}

struct history_sqlite *history_sqlite_open(const char *path, int64_t retention_us, struct err *e)
{
    CLEANUP(db_beside_close) struct db_conn *c = db_beside_open(path, e);
    if (!c || !check_version(c, path, e))
        return NULL;
    struct history_sqlite *h = calloc(1, sizeof *h);
    CHECK(h);
    h->c = TAKE(c);
    h->retention_us = retention_us;
    return h;
}

void history_sqlite_close(struct history_sqlite *h)
{
    if (!h)
        return;
    db_beside_close(h->c);
    free(h);
}

/* ---- putting ---- */

struct place {
    int64_t seq, finished_us;
    enum job_state state;
};

static enum got find(struct db_conn *c, const char *id, struct place *ret, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c, "SELECT seq, finished_us, state FROM submissions WHERE id = ?", e);
    if (!s)
        return GOT_FAILED;
    db_bind_text(s, 1, id);
    enum got got = db_step(s, e);
    if (got == GOT_ONE)
        *ret = (struct place){ db_int(s, 0), db_int(s, 1), (enum job_state)db_int(s, 2) };
    return got;
}

/* seq itself, or the first one behind it that nobody has. */
static bool find_room(struct db_conn *c, int64_t seq, int64_t *ret, struct err *e)
{
    for (;; seq++) {
        CLEANUP(db_stmt_done)
        struct db_stmt *s = db_query(c, "SELECT 1 FROM submissions WHERE seq = ?", e);
        if (!s)
            return false;
        db_bind_int(s, 1, seq);
        enum got got = db_step(s, e);
        if (got == GOT_NONE)
            *ret = seq;
        if (got != GOT_ONE)
            return got == GOT_NONE;
    }
}

static bool put_head(struct db_conn *c, const struct record *r, int64_t seq, int64_t retention_us,
                     struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c,
                 "INSERT OR REPLACE INTO submissions(seq, id, state, language, verdict, priority,"
                 " tenant, attempts, cancel_asked, created_us, start_us, started_us, finished_us,"
                 " retention_us, expires_us, archived, owes, metadata)"
                 " VALUES(?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, nullif(?, 0), 0, 0, ?)",
                 e);
    if (!s)
        return false;
    const struct job *job = r->job;
    db_bind_int(s, 1, seq);
    db_bind_text(s, 2, r->id);
    db_bind_int(s, 3, r->state);
    db_bind_text(s, 4, job->language);
    db_bind_int(s, 5, r->result->verdict);
    db_bind_int(s, 6, job->priority);
    db_bind_text(s, 7, job->tenant);
    db_bind_int(s, 8, r->attempts);
    db_bind_int(s, 9, r->created_us);
    db_bind_int(s, 10, job->start_us);
    db_bind_int(s, 11, r->started_us);
    db_bind_int(s, 12, r->finished_us);
    db_bind_int(s, 13, job_retention(job));
    db_bind_int(s, 14, record_expires(r->finished_us, job_retention(job), retention_us));
    db_bind_text(s, 15, job->metadata);
    return sqlite_run(s, e);
}

static bool put_body(struct db_conn *c, const char *sql, int64_t seq, const struct buf *body,
                     struct err *e)
{
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, sql, e);
    if (!s)
        return false;
    db_bind_int(s, 1, seq);
    db_bind_blob(s, 2, buf_str(body));
    return sqlite_run(s, e);
}

static bool put_bodies(struct history_sqlite *h, const struct record *r, int64_t seq, struct err *e)
{
    CLEANUP(buf_done) struct buf job = { 0 };
    CLEANUP(buf_done) struct buf result = { 0 };
    job_to_json(r->job, &job);
    result_to_json(r->result, &result);
    h->tidy_bytes += (int64_t)(job.len + result.len);
    return put_body(h->c, "INSERT OR REPLACE INTO jobs(seq, body) VALUES(?, ?)", seq, &job, e) &&
           put_body(h->c, "INSERT OR REPLACE INTO results(seq, body) VALUES(?, ?)", seq, &result,
                    e);
}

static bool put_one(struct history_sqlite *h, const struct record *r, struct err *e)
{
    struct place there;
    enum got got = find(h->c, r->id, &there, e);
    if (got == GOT_FAILED)
        return false;
    if (got == GOT_ONE && (!state_final(there.state) || there.finished_us >= r->finished_us))
        return true;
    int64_t seq = got == GOT_ONE ? there.seq : 0;
    return (got == GOT_ONE || find_room(h->c, r->seq, &seq, e)) &&
           put_head(h->c, r, seq, h->retention_us, e) && put_bodies(h, r, seq, e);
}

static bool put_all(struct history_sqlite *h, const struct record *records, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (!put_one(h, &records[i], e))
            return err_add(e, "%s", records[i].id);
    return true;
}

bool history_sqlite_put(struct history_sqlite *h, const struct record *records, size_t n,
                        struct err *e)
{
    struct err ignored;
    if (!db_exec(h->c, "BEGIN IMMEDIATE", e))
        return false;
    bool ok = put_all(h, records, n, e) && db_exec(h->c, "COMMIT", e);
    if (!ok && !db_exec(h->c, "ROLLBACK", &ignored))
        return false; /* it was undone already */
    if (h->tidy_bytes > TIDY_BYTES) {
        db_beside_tidy(h->c);
        h->tidy_bytes = 0;
    }
    return ok;
}

/* ---- listing ---- */

static bool read_record(struct db_stmt *s, struct record *ret, struct err *e)
{
    ret->seq = db_int(s, 0);
    sqlite_text(db_blob(s, 1), ret->id, sizeof ret->id);
    ret->state = (enum job_state)db_int(s, 2);
    ret->attempts = (int)db_int(s, 3);
    ret->created_us = db_int(s, 4);
    ret->started_us = db_int(s, 5);
    ret->finished_us = db_int(s, 6);
    return record_read_job(ret, db_blob(s, 7), e) && record_read_result(ret, db_blob(s, 8), e);
}

bool history_sqlite_list(struct history_sqlite *h, int64_t before_seq, int limit,
                         void (*fn)(void *arg, struct record *r, int64_t seq),
                         void (*bad)(void *arg, const struct err *e, int64_t seq), void *arg,
                         struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(h->c,
                 "SELECT s.seq, s.id, s.state, s.attempts, s.created_us, s.started_us,"
                 " s.finished_us, j.body, r.body FROM submissions s"
                 " LEFT JOIN jobs j ON j.seq = s.seq LEFT JOIN results r ON r.seq = s.seq"
                 " WHERE s.seq < ? AND +s.state > 1 AND s.archived >= 0"
                 " ORDER BY s.seq DESC LIMIT ?",
                 e);
    if (!s)
        return false;
    db_bind_int(s, 1, before_seq ? before_seq : INT64_MAX);
    db_bind_int(s, 2, limit);
    enum got got;
    while ((got = db_step(s, e)) == GOT_ONE) {
        CLEANUP(record_done) struct record r = { 0 };
        struct err why;
        if (read_record(s, &r, &why))
            fn(arg, &r, db_int(s, 0));
        else
            bad(arg, &why, db_int(s, 0));
    }
    return got == GOT_NONE;
}
