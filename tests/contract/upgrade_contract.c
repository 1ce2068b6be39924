/* SPDX-License-Identifier: Apache-2.0 */
/* A database of an earlier version is brought up to date when it is opened, and loses nothing. */
#include "store_world.h"

/* The schema of version 1, and what wrote to it. Never to be changed. */
static const char *const version_1[] = {
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

static const char *const rows[] = {
    /* Created at one time, and before the one that came before it: order is that of seq. */
    "INSERT INTO submissions VALUES(3, '00000000-0000-4000-8000-000000000001', 'key', 2, 'c', 1, 1,"
    " 1, 0, 1700000000000000, 5, 1700000000000009, 0, 1700000999000000, '{\"user\":\"ann\"}')",
    "INSERT INTO submissions VALUES(4, '00000000-0000-4000-8000-000000000002', NULL, 0, 'c', NULL,"
    " 2, 0, 0, 1700000000000000, 0, 0, 0, NULL, NULL)",
    "INSERT INTO submissions VALUES(9, '00000000-0000-4000-8000-000000000003', NULL, 1, 'cpp', "
    "NULL,"
    " 0, 1, 1, 1600000000000000, 7, 0, 86400000000, NULL, NULL)",
    "INSERT INTO results VALUES(3, ?)",
    "INSERT INTO jobs VALUES(3, ?)",
    "INSERT INTO jobs VALUES(4, ?)",
    "INSERT INTO jobs VALUES(9, ?)",
};

static const char *const ids[] = {
    "00000000-0000-4000-8000-000000000001",
    "00000000-0000-4000-8000-000000000002",
    "00000000-0000-4000-8000-000000000003",
};

static void add_body(struct buf *out, size_t at)
{
    if (at == 3) {
        CLEANUP(result_free) struct result *r = result_made(VERDICT_ACCEPTED, 1700000000000009);
        r->message = "of old";
        result_to_json(r, out);
        return;
    }
    struct job *job = job_made("c", at == 4 ? "first" : at == 5 ? "second" : "third");
    memcpy(job->id, ids[at - 4], sizeof job->id);
    job_to_json(job, out);
    job_free(job);
}

static bool write_rows(struct db_conn *c, UNUSED void *arg, struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(buf_done) struct buf body = { 0 };
        CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, rows[i], e);
        if (!s)
            return false;
        if (i >= 3) {
            add_body(&body, i);
            db_bind_blob(s, 1, buf_str(&body));
        }
        if (db_step(s, e) == GOT_FAILED)
            return false;
    }
    return true;
}

static void see(void *arg, struct record *r, UNUSED int64_t seq)
{
    struct seen *seen = arg;
    memcpy(seen->ids[seen->count], r->id, TOKEN_TEXT);
    seen->seqs[seen->count++] = r->seq;
}

static void is_kept(struct store *s)
{
    struct err e;
    struct seen seen = { 0 };
    int64_t total;
    MUST(store_list(s, &(struct store_filter){ .limit = 9 }, 0, see, &seen, &total, &e));
    assert_int_equal(total, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(seen.ids[i], ids[2 - i]);
    assert_true(seen.seqs[2] == 1700000000000000);
    assert_true(seen.seqs[1] == 1700000000000001);
    assert_true(seen.seqs[0] == 1700000000000002);

    CLEANUP(record_done) struct record done = load(s, ids[0], RECORD_JOB | RECORD_RESULT);
    assert_int_equal(done.state, STATE_FINISHED);
    assert_true(done.finished_us == 1700000000000009);
    assert_string_equal(done.result->message, "of old");
    assert_true(str_is(done.job->files[0].content, "first"));
    CLEANUP(record_done) struct record queued = load(s, ids[1], RECORD_JOB);
    assert_int_equal(queued.state, STATE_QUEUED);
    assert_true(str_is(queued.job->files[0].content, "second"));
    CLEANUP(record_done) struct record running = load(s, ids[2], RECORD_JOB);
    assert_int_equal(running.state, STATE_RUNNING);
    assert_true(running.cancel_asked);
    assert_int_equal(running.started_us, 7);
}

static void goes_on(struct store *s)
{
    struct err e;
    char id[TOKEN_TEXT];
    CLEANUP(job_free) struct job *any = job_made("c", "whatever it was");
    assert_int_equal(store_admit(s, any, "key", id, &e), GOT_NONE);
    assert_string_equal(id, ids[0]);
    CLEANUP(result_free) struct result *r = result_made(VERDICT_ACCEPTED, 2000 * US_PER_S);
    assert_int_equal(finish_with(s, ids[2], r), GOT_ONE);

    int64_t swept;
    MUST(store_sweep(s, 1700000999000000 - 1, 9, &swept, &e));
    assert_int_equal(swept, 1); /* the one just finished: a day of its own, long ago */
    MUST(store_sweep(s, 1700000999000000, 9, &swept, &e));
    assert_int_equal(swept, 1);
    assert_false(is_known(s, ids[0]));
    assert_int_equal(store_admit(s, any, "key", id, &e), GOT_ONE);
    CLEANUP(record_done) struct record r2 = load(s, id, 0);
    assert_true(r2.seq > 1700000000000002);
}

TEST(a_database_of_version_1_keeps_its_rows)
{
    struct err e;
    struct world w = { 0 };
    char path[80];
    folder_make(w.folder);
    snprintf(path, sizeof path, "%s/s.db", w.folder);
    MUST(w.db = db_open(path, &e));
    MUST(db_migrate(w.db, "store", version_1, COUNT_OF(version_1), &e));
    MUST(db_write_wait(w.db, write_rows, NULL, &e));
    db_close(w.db);

    sqlite_open(&w);
    is_kept(w.s);
    sqlite_close(&w);
    sqlite_open(&w);
    is_kept(w.s);
    goes_on(w.s);
    sqlite_close(&w);
    folder_remove(w.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { T(a_database_of_version_1_keeps_its_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
