/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of columns per submission, narrow, so that a million of them stay quick to filter; what
 * is long (the job, the result) lies in tables of its own and is only touched by whoever asks.
 *
 * Admissions do not wait: they are turned into their stored form by the calling thread, queued for
 * the writer, and made durable by sync(), many in one commit. Until then they can be loaded from
 * the list of those arriving, so a worker may begin before the disk has heard of the job.
 */
#include "store/store_sqlite.h"

#include "base/clock.h"

static const char *const schema[] = {
    "CREATE TABLE submissions("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT," /* cursors outlive the newest record's removal */
    " id TEXT NOT NULL UNIQUE,"
    " key TEXT,"
    " state INTEGER NOT NULL,"
    " language TEXT,"
    " verdict INTEGER,"
    " priority INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " cancel_asked INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " started_us INTEGER NOT NULL,"
    " finished_us INTEGER NOT NULL,"
    " retention_us INTEGER NOT NULL,"
    " expires_us INTEGER,"
    " metadata TEXT);"
    "CREATE UNIQUE INDEX submissions_key ON submissions(key) WHERE key IS NOT NULL;"
    /* Each also orders by seq, which stands behind every entry of an index. */
    "CREATE INDEX submissions_state ON submissions(state);"
    "CREATE INDEX submissions_language ON submissions(language);"
    "CREATE INDEX submissions_verdict ON submissions(verdict) WHERE verdict IS NOT NULL;"
    "CREATE INDEX submissions_created ON submissions(created_us);"
    "CREATE INDEX submissions_expires ON submissions(expires_us) WHERE expires_us IS NOT NULL;"
    "CREATE TABLE jobs(seq INTEGER PRIMARY KEY, body BLOB NOT NULL);"
    "CREATE TABLE results(seq INTEGER PRIMARY KEY, body BLOB NOT NULL);",
};

static bool run(struct db_stmt *s, struct err *e)
{
    return db_step(s, e) != GOT_FAILED;
}

static char *copy(const char *text)
{
    char *made = text ? strdup(text) : NULL;
    CHECK(made || !text);
    return made;
}

static void text_of(struct str s, char *out, size_t size)
{
    snprintf(out, size, "%.*s", STR_FMT(s));
}

/* ---- admit ---- */

static bool insert_row(struct db_conn *c, const struct admission *a, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(
        c,
        "INSERT INTO submissions(id, key, state, language, priority, attempts, cancel_asked,"
        " created_us, started_us, finished_us, retention_us, metadata)"
        " VALUES(?, ?, 0, ?, ?, 0, 0, ?, 0, 0, ?, ?)",
        e);
    if (!s)
        return false;
    db_bind_text(s, 1, a->id);
    db_bind_text(s, 2, a->key);
    db_bind_text(s, 3, a->language);
    db_bind_int(s, 4, a->priority);
    db_bind_int(s, 5, a->created_us);
    db_bind_int(s, 6, a->retention_us);
    db_bind_text(s, 7, a->metadata);
    return run(s, e);
}

static bool insert_job(struct db_conn *c, const struct admission *a, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c, "INSERT INTO jobs(seq, body) VALUES(last_insert_rowid(), ?)", e);
    if (!s)
        return false;
    db_bind_blob(s, 1, buf_str(&a->job));
    return run(s, e);
}

static enum got find_key(struct db_conn *c, const char *key, char *ret_id, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "SELECT id FROM submissions WHERE key = ?", e);
    if (!s)
        return GOT_FAILED;
    db_bind_text(s, 1, key);
    enum got got = db_step(s, e);
    if (got == GOT_ONE)
        text_of(db_blob(s, 0), ret_id, TOKEN_TEXT);
    return got;
}

static bool write_admission(struct db_conn *c, void *arg, struct err *e)
{
    struct admission *a = arg;
    if (a->key) {
        enum got earlier = find_key(c, a->key, a->ret_id, e);
        if (earlier != GOT_NONE) {
            a->got = GOT_NONE;
            return earlier == GOT_ONE;
        }
    }
    a->got = GOT_ONE;
    if (insert_row(c, a, e) && insert_job(c, a, e))
        return true;
    if (e->kind == ERR_CONFLICT)
        err_set(e, ERR_CONFLICT, "submission %s exists already", a->id);
    return err_add(e, "admit");
}

static void admission_free(struct admission *a)
{
    if (!a)
        return;
    free(a->language);
    free(a->metadata);
    buf_done(&a->job);
    free(a);
}
CLEANUP_FOR(struct admission *, admission_free)

static void admission_done(void *arg, UNUSED bool ok, UNUSED const struct err *e)
{
    struct admission *a = arg;
    pthread_mutex_lock(&a->store->lock);
    map_take(&a->store->arriving, a->id);
    pthread_mutex_unlock(&a->store->lock);
    admission_free(a);
}

static struct admission *admission_new(struct store_sqlite *store, const struct job *job)
{
    struct admission *a = calloc(1, sizeof *a);
    CHECK(a);
    a->store = store;
    memcpy(a->id, job->id, sizeof a->id);
    a->created_us = job->created_us;
    a->retention_us = job->retention_us;
    a->priority = (int)job->priority;
    a->language = copy(job->language);
    a->metadata = copy(job->metadata);
    job_to_json(job, &a->job);
    return a;
}

/* Whether the key is new is known once the writer has looked: this one waits. */
static enum got admit_keyed(struct store_sqlite *store, struct admission *a, const char *key,
                            char *ret_id, struct err *e)
{
    char earlier[TOKEN_TEXT];
    a->key = key;
    a->ret_id = earlier;
    if (!db_write_wait(store->db, write_admission, a, e))
        return GOT_FAILED;
    memcpy(ret_id, a->got == GOT_ONE ? a->id : earlier, TOKEN_TEXT);
    return a->got;
}

static enum got sqlite_admit(struct store *s, const struct job *job, const char *key, char *ret_id,
                             struct err *e)
{
    struct store_sqlite *store = (struct store_sqlite *)s;
    CLEANUP(admission_free) struct admission *a = admission_new(store, job);
    if (key)
        return admit_keyed(store, a, key, ret_id, e);

    pthread_mutex_lock(&store->lock);
    bool twice = map_get(&store->arriving, a->id);
    if (!twice)
        map_put(&store->arriving, a->id, a);
    pthread_mutex_unlock(&store->lock);
    if (twice) {
        err_set(e, ERR_CONFLICT, "submission %s exists already", job->id);
        return GOT_FAILED;
    }
    memcpy(ret_id, job->id, TOKEN_TEXT);
    db_write_later(store->db, write_admission, admission_done, TAKE(a));
    return GOT_ONE;
}

static bool sqlite_sync(struct store *s, struct err *e)
{
    return db_sync(((struct store_sqlite *)s)->db, e);
}

/* ---- start ---- */

struct start {
    char id[TOKEN_TEXT];
    int attempt;
    int64_t started_us;
};

static bool write_start(struct db_conn *c, void *arg, struct err *e)
{
    const struct start *start = arg;
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c,
                                 "UPDATE submissions SET state = 1, attempts = ?, started_us = ?"
                                 " WHERE id = ? AND state < 2",
                                 e);
    if (!s)
        return false;
    db_bind_int(s, 1, start->attempt);
    db_bind_int(s, 2, start->started_us);
    db_bind_text(s, 3, start->id);
    return run(s, e);
}

static void start_done(void *arg, UNUSED bool ok, UNUSED const struct err *e)
{
    free(arg);
}

static void sqlite_start(struct store *s, const char *id, int attempt, int64_t started_us)
{
    struct start *start = calloc(1, sizeof *start);
    CHECK(start);
    text_of(str_of(id), start->id, sizeof start->id);
    start->attempt = attempt;
    start->started_us = started_us;
    db_write_later(((struct store_sqlite *)s)->db, write_start, start_done, start);
}

/* ---- ends ---- */

struct row {
    int64_t seq, retention_us;
    enum job_state state;
};

static enum got find_row(struct db_conn *c, const char *id, struct row *ret, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c, "SELECT seq, retention_us, state FROM submissions WHERE id = ?", e);
    if (!s)
        return GOT_FAILED;
    db_bind_text(s, 1, id);
    enum got got = db_step(s, e);
    if (got == GOT_ONE)
        *ret = (struct row){ db_int(s, 0), db_int(s, 1), (enum job_state)db_int(s, 2) };
    return got;
}

static bool insert_result(struct db_conn *c, int64_t seq, struct str json, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "INSERT INTO results(seq, body) VALUES(?, ?)", e);
    if (!s)
        return false;
    db_bind_int(s, 1, seq);
    db_bind_blob(s, 2, json);
    return run(s, e);
}

static bool end_row(struct db_conn *c, const struct row *row, const struct ending *ending,
                    int64_t retention_us, struct err *e)
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
    return run(s, e) && insert_result(c, row->seq, buf_str(&ending->json), e);
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
        return end_row(c, &row, &f->ending, f->store->config.retention_us, e);
    return f->won == GOT_NONE;
}

static void finish_done(void *arg, bool ok, const struct err *e)
{
    struct finish *f = arg;
    f->done(f->arg, ok ? f->won : GOT_FAILED, e);
    ending_done(&f->ending);
    free(f);
}

static void sqlite_finish(struct store *s, const char *id, const struct result *result,
                          store_done_fn done, void *arg)
{
    struct finish *f = calloc(1, sizeof *f);
    CHECK(f);
    f->store = (struct store_sqlite *)s;
    text_of(str_of(id), f->id, sizeof f->id);
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
    return run(s, e);
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
        return end_row(c, &row, &cancel->ending, cancel->store->config.retention_us, e);
    return row.state != STATE_RUNNING || mark_cancel(c, row.seq, e);
}

static enum got sqlite_cancel(struct store *s, const char *id, enum job_state *ret_state,
                              struct err *e)
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
        if (!run(s, e))
            return false;
    }
    return true;
}

static bool write_remove(struct db_conn *c, void *arg, struct err *e)
{
    const char *id = arg;
    struct row row;
    enum got got = find_row(c, id, &row, e);
    if (got == GOT_NONE)
        err_set(e, ERR_NOT_FOUND, "no submission %s", id);
    if (got != GOT_ONE)
        return false;
    if (!state_final(row.state))
        return err_set(e, ERR_CONFLICT, "submission %s is %s", id, state_name(row.state));
    return delete_row(c, row.seq, e);
}

static bool sqlite_remove(struct store *s, const char *id, struct err *e)
{
    char text[TOKEN_TEXT];
    text_of(str_of(id), text, sizeof text);
    return db_write_wait(((struct store_sqlite *)s)->db, write_remove, text, e);
}

struct sweep {
    int64_t now_us, swept;
    int batch;
};

/* One expired row; GOT_NONE: there is none. */
static enum got find_expired(struct db_conn *c, int64_t now_us, int64_t *ret, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c,
                 "SELECT seq FROM submissions WHERE expires_us IS NOT NULL AND expires_us <= ?"
                 " ORDER BY expires_us LIMIT 1",
                 e);
    if (!s)
        return GOT_FAILED;
    db_bind_int(s, 1, now_us);
    enum got got = db_step(s, e);
    if (got == GOT_ONE)
        *ret = db_int(s, 0);
    return got;
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
    int64_t seq;
    while (sweep->swept < sweep->batch &&
           (got = find_expired(c, sweep->now_us, &seq, e)) == GOT_ONE) {
        if (!delete_row(c, seq, e))
            return false;
        sweep->swept++;
    }
    return got != GOT_FAILED && give_room_back(c, e);
}

static bool sqlite_sweep(struct store *s, int64_t now_us, int batch, int64_t *ret, struct err *e)
{
    struct sweep sweep = { .now_us = now_us, .batch = batch };
    if (!db_write_wait(((struct store_sqlite *)s)->db, write_sweep, &sweep, e))
        return false;
    *ret = sweep.swept;
    return true;
}

/* ---- opening ---- */

static void sqlite_close(struct store *s)
{
    struct store_sqlite *store = (struct store_sqlite *)s;
    struct err ignored; /* told to whoever called sync() */
    if (!db_sync(store->db, &ignored))
        ignored.kind = ERR_NONE;
    map_done(&store->arriving);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static const struct store_ops ops = {
    .scheme = "sqlite",
    .admit = sqlite_admit,
    .sync = sqlite_sync,
    .start = sqlite_start,
    .finish = sqlite_finish,
    .load = sqlite_load,
    .cancel = sqlite_cancel,
    .remove = sqlite_remove,
    .list = sqlite_list,
    .unfinished = sqlite_unfinished,
    .sweep = sqlite_sweep,
    .close = sqlite_close,
};

struct store *store_sqlite_open(struct db *db, const struct store_config *config, struct err *e)
{
    if (!db_migrate(db, "store", schema, (int)COUNT_OF(schema), e))
        return NULL;
    struct store_sqlite *store = calloc(1, sizeof *store);
    CHECK(store);
    store->store.ops = &ops;
    store->config = *config;
    store->db = db;
    pthread_mutex_init(&store->lock, NULL);
    return &store->store;
}
