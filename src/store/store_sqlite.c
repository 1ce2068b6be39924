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

    /*
     * seq becomes the time of admission in microseconds, so that records of several servers fall
     * into one order; those there already get their created_us, or a little more where that would
     * not keep their order. Idempotency keys outlive records that move to a history. Deliveries.
     */
    "CREATE TABLE submissions_2("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE,"
    " state INTEGER NOT NULL,"
    " language TEXT,"
    " verdict INTEGER,"
    " priority INTEGER NOT NULL,"
    " tenant TEXT,"
    " attempts INTEGER NOT NULL,"
    " cancel_asked INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " start_us INTEGER NOT NULL," /* not to be run before; 0: at once */
    " started_us INTEGER NOT NULL,"
    " finished_us INTEGER NOT NULL,"
    " retention_us INTEGER NOT NULL,"
    " expires_us INTEGER," /* to be swept then: its retention, or its copy in a history is enough */
    " archived INTEGER NOT NULL," /* 1: a history has it; -1: none is to have it */
    " owes INTEGER NOT NULL,"     /* deliveries */
    " metadata TEXT);"
    "CREATE TEMP TABLE moves(old INTEGER PRIMARY KEY, new INTEGER NOT NULL);"
    "INSERT INTO moves SELECT"
    " seq, max(created_us - n) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) + n"
    " FROM (SELECT seq, created_us, row_number() OVER (ORDER BY seq) AS n FROM submissions);"
    "INSERT INTO submissions_2 SELECT new, id, state, language, verdict, priority, NULL, attempts,"
    " cancel_asked, created_us, 0, started_us, finished_us, retention_us, expires_us, 0, 0,"
    " metadata FROM submissions CROSS JOIN moves ON old = seq ORDER BY seq;"
    "CREATE TABLE jobs_2(seq INTEGER PRIMARY KEY, body BLOB NOT NULL);"
    "INSERT INTO jobs_2 SELECT new, body FROM jobs CROSS JOIN moves ON old = seq ORDER BY seq;"
    "CREATE TABLE results_2(seq INTEGER PRIMARY KEY, body BLOB NOT NULL);"
    "INSERT INTO results_2 SELECT new, body FROM results CROSS JOIN moves ON old = seq"
    " ORDER BY seq;"
    "DROP TABLE moves;"
    "CREATE TABLE keys("
    " key TEXT PRIMARY KEY,"
    " id TEXT NOT NULL,"
    " fingerprint TEXT,"                           /* of the job it came with */
    " expires_us INTEGER NOT NULL) WITHOUT ROWID;" /* then it goes, unless its record is here */
    "INSERT INTO keys SELECT key, id, NULL, created_us + 86400000000 FROM submissions"
    " WHERE key IS NOT NULL;"
    "DROP TABLE submissions; ALTER TABLE submissions_2 RENAME TO submissions;"
    "DROP TABLE jobs; ALTER TABLE jobs_2 RENAME TO jobs;"
    "DROP TABLE results; ALTER TABLE results_2 RENAME TO results;"
    "CREATE INDEX submissions_state ON submissions(state);"
    "CREATE INDEX submissions_language ON submissions(language);"
    "CREATE INDEX submissions_verdict ON submissions(verdict) WHERE verdict IS NOT NULL;"
    "CREATE INDEX submissions_created ON submissions(created_us);"
    "CREATE INDEX submissions_expires ON submissions(expires_us) WHERE expires_us IS NOT NULL;"
    "CREATE INDEX submissions_fresh ON submissions(finished_us) WHERE archived = 0 AND state > 1;"
    "CREATE INDEX keys_id ON keys(id);"
    "CREATE INDEX keys_expires ON keys(expires_us);"
    "CREATE TABLE deliveries("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE,"
    " job TEXT NOT NULL,"
    " kind INTEGER NOT NULL,"
    " state INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " due_us INTEGER NOT NULL,"
    " leased INTEGER NOT NULL,"     /* somebody has it until due_us */
    " settled_us INTEGER NOT NULL," /* when the last attempt was noted; 0: none yet */
    " url TEXT NOT NULL);"
    "CREATE INDEX deliveries_job ON deliveries(job);"
    "CREATE INDEX deliveries_state ON deliveries(state);"
    "CREATE INDEX deliveries_due ON deliveries(due_us) WHERE state = 1;"
    "CREATE INDEX deliveries_settled ON deliveries(settled_us) WHERE state > 1;"
    "CREATE TABLE delivery_attempts("
    " n INTEGER PRIMARY KEY,"
    " delivery INTEGER NOT NULL,"
    " at_us INTEGER NOT NULL,"
    " took_us INTEGER NOT NULL,"
    " status INTEGER NOT NULL,"
    " error TEXT NOT NULL);"
    "CREATE INDEX delivery_attempts_of ON delivery_attempts(delivery);",
};

const int sqlite_schema_version = COUNT_OF(schema);

static char *copy(const char *text)
{
    char *made = text ? strdup(text) : NULL;
    CHECK(made || !text);
    return made;
}

/* ---- admit ---- */

/* Where the row goes: now, or right behind the last one when that is not over yet. */
static int64_t next_seq(struct store_sqlite *store)
{
    store->last_seq = MAX(wall_us(), store->last_seq + 1);
    return store->last_seq;
}

static bool insert_row(struct db_conn *c, const struct admission *a, int64_t seq, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(
        c,
        "INSERT INTO submissions(seq, id, state, language, priority, tenant, attempts,"
        " cancel_asked, created_us, start_us, started_us, finished_us, retention_us, archived,"
        " owes, metadata) VALUES(?, ?, 0, ?, ?, ?, 0, 0, ?, ?, 0, 0, ?, ?, ?, ?)",
        e);
    if (!s)
        return false;
    db_bind_int(s, 1, seq);
    db_bind_text(s, 2, a->id);
    db_bind_text(s, 3, a->language);
    db_bind_int(s, 4, a->priority);
    db_bind_text(s, 5, a->tenant);
    db_bind_int(s, 6, a->created_us);
    db_bind_int(s, 7, a->start_us);
    db_bind_int(s, 8, a->retention_us);
    db_bind_int(s, 9, a->forget ? -1 : 0);
    db_bind_int(s, 10, a->owed_count);
    db_bind_text(s, 11, a->metadata);
    return sqlite_run(s, e);
}

static bool insert_job(struct db_conn *c, const struct admission *a, int64_t seq, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "INSERT INTO jobs(seq, body) VALUES(?, ?)", e);
    if (!s)
        return false;
    db_bind_int(s, 1, seq);
    db_bind_blob(s, 2, buf_str(&a->job));
    return sqlite_run(s, e);
}

/* Whose the key is. GOT_FAILED with CONFLICT: of another job than this one. */
static enum got find_key(struct db_conn *c, const struct admission *a, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "SELECT id, fingerprint FROM keys WHERE key = ?", e);
    if (!s)
        return GOT_FAILED;
    db_bind_text(s, 1, a->key);
    enum got got = db_step(s, e);
    if (got != GOT_ONE)
        return got;
    struct str fingerprint = db_blob(s, 1); /* null: of an earlier version */
    if (fingerprint.ptr && !str_is(fingerprint, a->fingerprint)) {
        key_conflict(e);
        return GOT_FAILED;
    }
    sqlite_text(db_blob(s, 0), a->ret_id, TOKEN_TEXT);
    return GOT_ONE;
}

static bool insert_key(struct db_conn *c, const struct admission *a, struct err *e)
{
    if (!a->key)
        return true;
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c, "INSERT INTO keys(key, id, fingerprint, expires_us) VALUES(?, ?, ?, ?)", e);
    if (!s)
        return false;
    db_bind_text(s, 1, a->key);
    db_bind_text(s, 2, a->id);
    db_bind_text(s, 3, a->fingerprint);
    db_bind_int(s, 4, wall_us() + KEY_KEEP_US);
    return sqlite_run(s, e);
}

static bool insert_delivery(struct db_conn *c, const struct admission *a, int at, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c,
                 "INSERT INTO deliveries(id, job, kind, state, attempts, created_us, due_us,"
                 " leased, settled_us, url) VALUES(?, ?, ?, 0, 0, ?, 0, 0, 0, ?)",
                 e);
    if (!s)
        return false;
    char id[DELIVERY_TEXT];
    delivery_id(a->owed[at].kind, a->id, id);
    db_bind_text(s, 1, id);
    db_bind_text(s, 2, a->id);
    db_bind_int(s, 3, a->owed[at].kind);
    db_bind_int(s, 4, a->created_us);
    db_bind_text(s, 5, a->owed[at].url);
    return sqlite_run(s, e);
}

static bool write_new(struct db_conn *c, const struct admission *a, struct err *e)
{
    int64_t seq = next_seq(a->store);
    if (!insert_row(c, a, seq, e) || !insert_job(c, a, seq, e) || !insert_key(c, a, e))
        return false;
    for (int i = 0; i < a->owed_count; i++)
        if (!insert_delivery(c, a, i, e))
            return false;
    return true;
}

static bool write_admission(struct db_conn *c, void *arg, struct err *e)
{
    struct admission *a = arg;
    if (a->key) {
        enum got earlier = find_key(c, a, e);
        if (earlier != GOT_NONE) {
            a->got = GOT_NONE;
            return earlier == GOT_ONE;
        }
    }
    a->got = GOT_ONE;
    if (write_new(c, a, e))
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
    free(a->tenant);
    free(a->metadata);
    for (int i = 0; i < a->owed_count; i++)
        free((char *)(uintptr_t)a->owed[i].url);
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
    a->retention_us = job_retention(job);
    a->forget = job->forget;
    a->priority = (int)job->priority;
    a->start_us = job->start_us;
    a->language = copy(job->language);
    a->tenant = copy(job->tenant);
    a->metadata = copy(job->metadata);
    a->owed_count = job_owes(job, a->owed);
    for (int i = 0; i < a->owed_count; i++)
        a->owed[i].url = copy(a->owed[i].url);
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
    if (key) {
        job_fingerprint(job, a->fingerprint);
        return admit_keyed(store, a, key, ret_id, e);
    }

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
    return sqlite_run(s, e);
}

static void start_done(void *arg, UNUSED bool ok, UNUSED const struct err *e)
{
    free(arg);
}

static void sqlite_start(struct store *s, const char *id, int attempt, int64_t started_us)
{
    struct start *start = calloc(1, sizeof *start);
    CHECK(start);
    sqlite_text(str_of(id), start->id, sizeof start->id);
    start->attempt = attempt;
    start->started_us = started_us;
    db_write_later(((struct store_sqlite *)s)->db, write_start, start_done, start);
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
    .deliveries = &sqlite_deliveries,
    .admit = sqlite_admit,
    .sync = sqlite_sync,
    .start = sqlite_start,
    .finish = sqlite_finish,
    .amend = sqlite_amend,
    .reopen = sqlite_reopen,
    .load = sqlite_load,
    .cancel = sqlite_cancel,
    .remove = sqlite_remove,
    .list = sqlite_list,
    .unfinished = sqlite_unfinished,
    .sweep = sqlite_sweep,
    .unarchived = sqlite_unarchived,
    .archived = sqlite_archived,
    .close = sqlite_close,
};

/* What only this process knows: the last seq, and that nobody else is sending. */
static bool read_state(struct db_conn *c, void *arg, struct err *e)
{
    struct store_sqlite *store = arg;
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c, "SELECT max(seq) FROM sqlite_sequence WHERE name = 'submissions'", e);
    if (!s || db_step(s, e) != GOT_ONE)
        return false;
    store->last_seq = db_int(s, 0);
    return db_exec(c, "UPDATE deliveries SET due_us = 1, leased = 0 WHERE state = 1 AND leased", e);
}

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
    if (db_write_wait(db, read_state, store, e))
        return &store->store;
    sqlite_close(&store->store);
    err_add(e, "open the store");
    return NULL;
}
