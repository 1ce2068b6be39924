/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver: what a write promises, what a failure leaves behind, and what happens on disks that
 * are full or broken.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "drivers/sqlite.h"

/* ---- a database for one test ---- */

struct world {
    char folder[64];
    char path[80];
    struct db *db;
};

static bool create_table(struct db_conn *c, UNUSED void *arg, struct err *e)
{
    return db_exec(c, "CREATE TABLE t(k INTEGER PRIMARY KEY, v BLOB)", e);
}

static int setup(void **state)
{
    static struct world w;
    struct err e;
    snprintf(w.folder, sizeof w.folder, "/tmp/evalx-sqlite-XXXXXX");
    if (!mkdtemp(w.folder))
        return -1;
    snprintf(w.path, sizeof w.path, "%s/t.db", w.folder);
    w.db = db_open(w.path, &e);
    *state = &w;
    return w.db && db_write_wait(w.db, create_table, NULL, &e) ? 0 : -1;
}

static int remove_one(const char *path, UNUSED const struct stat *st, UNUSED int flag,
                      UNUSED struct FTW *ftw)
{
    return remove(path);
}

static int teardown(void **state)
{
    struct world *w = *state;
    db_close(w->db);
    nftw(w->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

#define DB(name)                                                                                   \
    static void name##_body(struct world *w, struct db *db);                                       \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct world *w = *state;                                                                  \
        name##_body(w, w->db);                                                                     \
    }                                                                                              \
    static void name##_body(UNUSED struct world *w, UNUSED struct db *db)

/* ---- words the tests are written in ---- */

struct put {
    int64_t key;
    struct str value;
    bool refuse;     /* after having written */
    struct db *look; /* from inside the write, count rows with a reader: seen */
    int64_t seen;
    sem_t *inside, *go_on;    /* stop the writer here */
    _Atomic int order, *next; /* when it was carried out */
};

static int64_t count_rows(struct db *db)
{
    struct err e;
    struct db_conn *c = db_reader(db, &e);
    assert_non_null(c);
    struct db_stmt *s = db_query(c, "SELECT count(*) FROM t", &e);
    assert_non_null(s);
    assert_int_equal(db_step(s, &e), GOT_ONE);
    int64_t count = db_int(s, 0);
    db_stmt_done(s);
    db_reader_done(db, c);
    return count;
}

static bool insert(struct db_conn *c, int64_t key, struct str value, struct err *e)
{
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, "INSERT INTO t VALUES(?, ?)", e);
    if (!s)
        return false;
    db_bind_int(s, 1, key);
    db_bind_blob(s, 2, value);
    return db_step(s, e) == GOT_NONE;
}

static bool put(struct db_conn *c, void *arg, struct err *e)
{
    struct put *p = arg;
    if (p->inside) {
        sem_post(p->inside);
        sem_wait(p->go_on);
    }
    if (p->next)
        p->order = atomic_fetch_add(p->next, 1);
    if (!insert(c, p->key, p->value, e))
        return false;
    if (p->look)
        p->seen = count_rows(p->look);
    return !p->refuse || err_set(e, ERR_CONFLICT, "refused");
}

struct told {
    struct put put;
    _Atomic int calls;
    bool ok;
    struct err err;
    int64_t rows; /* seen by a reader from inside the call */
    struct db *db;
};

static bool put_told(struct db_conn *c, void *arg, struct err *e)
{
    return put(c, &((struct told *)arg)->put, e);
}

static void tell(void *arg, bool ok, const struct err *e)
{
    struct told *t = arg;
    t->ok = ok;
    t->err = *e;
    if (t->db)
        t->rows = count_rows(t->db);
    t->calls++;
}

static bool put_wait(struct db *db, int64_t key, struct str value, struct err *e)
{
    return db_write_wait(db, put, &(struct put){ .key = key, .value = value }, e);
}

/* A writer that stands still inside a write until it is let go. */
struct halt {
    sem_t inside, go_on;
    struct put put;
};

static void halt_writer(struct halt *h, struct db *db, int64_t key)
{
    sem_init(&h->inside, 0, 0);
    sem_init(&h->go_on, 0, 0);
    h->put = (struct put){ .key = key, .inside = &h->inside, .go_on = &h->go_on };
    db_write(db, put, NULL, &h->put);
    sem_wait(&h->inside);
}

/* ---- writes ---- */

DB(a_write_that_was_waited_for_can_be_read)
{
    struct err e;
    MUST(put_wait(db, 1, STR("x"), &e));
    assert_int_equal(count_rows(db), 1);
}

DB(done_is_called_after_the_commit)
{
    struct err e;
    struct told t = { .put = { .key = 1 }, .db = db };
    db_write(db, put_told, tell, &t);
    MUST(db_sync(db, &e));
    assert_int_equal(t.calls, 1);
    assert_true(t.ok);
    assert_int_equal(t.rows, 1);
}

DB(writes_that_gather_share_one_transaction)
{
    struct err e;
    struct halt halt;
    halt_writer(&halt, db, 1);
    struct put second = { .key = 2 }, third = { .key = 3, .look = db };
    db_write(db, put, NULL, &second);
    db_write(db, put, NULL, &third);
    sem_post(&halt.go_on);
    MUST(db_sync(db, &e));
    /* The first is committed, the second is not yet, although it came before. */
    assert_int_equal(third.seen, 1);
    assert_int_equal(count_rows(db), 3);
}

DB(a_failing_write_is_rolled_back_alone)
{
    struct err e;
    struct halt halt;
    halt_writer(&halt, db, 1);
    struct told t[3] = { { .put = { .key = 2 } },
                         { .put = { .key = 3, .refuse = true } },
                         { .put = { .key = 4 } } };
    for (int i = 0; i < 3; i++)
        db_write(db, put_told, tell, &t[i]);
    sem_post(&halt.go_on);
    assert_false(db_sync(db, &e));
    assert_string_equal(e.text, "refused");
    assert_true(t[0].ok);
    assert_false(t[1].ok);
    assert_int_equal(t[1].err.kind, ERR_CONFLICT);
    assert_true(t[2].ok);
    assert_int_equal(count_rows(db), 3);
    MUST(put_wait(db, 3, STR(""), &e));
}

DB(a_key_that_exists_is_a_conflict)
{
    struct err e;
    MUST(put_wait(db, 1, STR("x"), &e));
    assert_false(put_wait(db, 1, STR("y"), &e));
    assert_int_equal(e.kind, ERR_CONFLICT);
}

DB(sync_tells_a_failure_once)
{
    struct err e = { 0 };
    struct put bad = { .key = 1, .refuse = true }, worse = { .key = 2, .refuse = true };
    db_write(db, put, NULL, &bad);
    db_write(db, put, NULL, &worse);
    assert_false(db_sync(db, &e));
    assert_int_equal(e.kind, ERR_CONFLICT);
    MUST(db_sync(db, &e));
}

static void *write_bad(void *arg)
{
    static struct put bad = { .key = 1, .refuse = true };
    db_write(arg, put, NULL, &bad);
    return NULL;
}

DB(sync_tells_only_whose_write_failed)
{
    struct err e;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_bad, db), 0);
    pthread_join(thread, NULL);
    MUST(db_sync(db, &e));
    assert_int_equal(count_rows(db), 0);
}

DB(a_failure_that_was_waited_for_is_not_told_again)
{
    struct err e;
    struct put bad = { .key = 1, .refuse = true };
    assert_false(db_write_wait(db, put, &bad, &e));
    MUST(db_sync(db, &e));
}

DB(writes_of_one_thread_keep_their_order)
{
    enum { COUNT = 300 };
    static struct put puts[COUNT];
    struct err e;
    _Atomic int next = 0;
    for (int i = 0; i < COUNT; i++) {
        puts[i] = (struct put){ .key = i, .next = &next };
        if (i % 3)
            db_write_later(db, put, NULL, &puts[i]);
        else
            db_write(db, put, NULL, &puts[i]);
    }
    MUST(db_sync(db, &e));
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(puts[i].order, i);
}

DB(a_burst_longer_than_a_transaction_is_carried_out_whole)
{
    enum { COUNT = 5000 };
    static struct told burst[COUNT];
    struct halt halt;
    halt_writer(&halt, db, COUNT);
    for (int i = 0; i < COUNT; i++) {
        burst[i] = (struct told){ .put = { .key = i } };
        db_write_later(db, put_told, tell, &burst[i]);
    }
    sem_post(&halt.go_on);
    while (!burst[COUNT - 1].calls)
        sched_yield();
    assert_int_equal(count_rows(db), COUNT + 1);
}

DB(a_write_for_later_is_carried_out_unasked)
{
    struct told t = { .put = { .key = 1 } };
    db_write_later(db, put_told, tell, &t);
    while (!t.calls)
        sched_yield();
    assert_true(t.ok);
}

static bool put_again(struct db_conn *c, void *arg, struct err *e)
{
    return insert(c, *(int64_t *)arg, STR("again"), e);
}

static void write_again(void *arg, UNUSED bool ok, UNUSED const struct err *e)
{
    static int64_t key = 77;
    db_write(arg, put_again, NULL, &key);
}

static bool nothing(UNUSED struct db_conn *c, UNUSED void *arg, UNUSED struct err *e)
{
    return true;
}

DB(a_done_may_write_again_and_closing_carries_it_out)
{
    struct err e;
    db_write(db, nothing, write_again, db);
    db_close(db);
    MUST(w->db = db_open(w->path, &e));
    assert_int_equal(count_rows(w->db), 1);
}

enum { CROWD = 8, EACH = 100 };

struct member {
    struct db *db;
    int64_t first;
};

static void *write_and_sync(void *arg)
{
    struct member *m = arg;
    struct err e;
    for (int i = 0; i < EACH; i++) {
        struct told t = { .put = { .key = m->first + i, .refuse = i % 10 == 9 } };
        db_write_later(m->db, put_told, tell, &t);
        bool ok = db_sync(m->db, &e);
        if (ok == t.put.refuse || t.calls != 1 || t.ok != ok)
            abort();
    }
    return NULL;
}

DB(a_crowd_is_told_the_truth_each)
{
    pthread_t threads[CROWD];
    struct member members[CROWD];
    for (int i = 0; i < CROWD; i++) {
        members[i] = (struct member){ db, i * 1000 };
        assert_int_equal(pthread_create(&threads[i], NULL, write_and_sync, &members[i]), 0);
    }
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count_rows(db), CROWD * EACH * 9 / 10);
}

/* ---- reading ---- */

DB(readers_do_not_wait_for_the_writer)
{
    struct err e;
    struct halt halt;
    halt_writer(&halt, db, 1);
    assert_int_equal(count_rows(db), 0);
    sem_post(&halt.go_on);
    MUST(db_sync(db, &e));
    assert_int_equal(count_rows(db), 1);
}

static void *borrow(void *db)
{
    struct err e;
    struct db_conn *c = db_reader(db, &e);
    if (!c)
        abort();
    db_reader_done(db, c);
    return NULL;
}

DB(a_reader_waits_until_one_is_given_back)
{
    enum { ALL = 4 };
    struct err e;
    struct db_conn *out[ALL];
    for (int i = 0; i < ALL; i++)
        MUST(out[i] = db_reader(db, &e));
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, borrow, db), 0);
    db_reader_done(db, out[0]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < ALL; i++)
        db_reader_done(db, out[i]);
}

DB(readers_cannot_write)
{
    struct err e = { 0 };
    struct db_conn *c = db_reader(db, &e);
    assert_non_null(c);
    assert_false(db_exec(c, "INSERT INTO t VALUES(1, 'x')", &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    db_reader_done(db, c);
}

DB(any_bytes_come_back_and_null_is_not_empty)
{
    struct err e;
    struct str bytes = { "a\0b\xff\xfe", 5 };
    MUST(put_wait(db, 1, bytes, &e));
    MUST(put_wait(db, 2, STR(""), &e));
    MUST(put_wait(db, 3, STR_NULL, &e));
    struct db_conn *c = db_reader(db, &e);
    struct db_stmt *s = db_query(c, "SELECT v FROM t ORDER BY k", &e);
    assert_non_null(s);
    assert_int_equal(db_step(s, &e), GOT_ONE);
    assert_true(str_eq(db_blob(s, 0), bytes));
    assert_int_equal(db_step(s, &e), GOT_ONE);
    assert_non_null(db_blob(s, 0).ptr);
    assert_int_equal(db_blob(s, 0).len, 0);
    assert_int_equal(db_step(s, &e), GOT_ONE);
    assert_null(db_blob(s, 0).ptr);
    assert_int_equal(db_step(s, &e), GOT_NONE);
    db_stmt_done(s);
    db_reader_done(db, c);
}

DB(one_text_may_be_in_use_twice_and_texts_do_not_pile_up)
{
    struct err e;
    struct db_conn *c = db_reader(db, &e);
    struct db_stmt *kept = db_query(c, "SELECT 7", &e);
    struct db_stmt *twin = db_query(c, "SELECT 7", &e);
    assert_non_null(kept);
    assert_non_null(twin);
    assert_ptr_not_equal(kept, twin);
    assert_int_equal(db_step(twin, &e), GOT_ONE);
    for (int i = 0; i < 1000; i++) {
        char sql[32];
        snprintf(sql, sizeof sql, "SELECT %d", i);
        CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, sql, &e);
        assert_int_equal(db_step(s, &e), GOT_ONE);
        assert_int_equal(db_int(s, 0), i);
    }
    db_stmt_done(twin);
    assert_int_equal(db_step(kept, &e), GOT_ONE);
    assert_int_equal(db_int(kept, 0), 7);
    db_stmt_done(kept);
    db_reader_done(db, c);
}

DB(wrong_sql_is_a_bug_of_ours)
{
    struct err e = { 0 };
    struct db_conn *c = db_reader(db, &e);
    assert_null(db_query(c, "SELEKT 1", &e));
    assert_int_equal(e.kind, ERR_BUG);
    assert_non_null(strstr(e.text, "SELEKT"));
    db_reader_done(db, c);
}

/* ---- the file ---- */

DB(a_second_process_is_told_who_has_the_file)
{
    struct err e = { 0 };
    assert_null(db_open(w->path, &e));
    assert_int_equal(e.kind, ERR_CONFLICT);
    char pid[32];
    snprintf(pid, sizeof pid, "pid %d", (int)getpid());
    assert_non_null(strstr(e.text, pid));
    assert_non_null(strstr(e.text, w->path));
}

DB(the_file_is_its_owner_s_alone)
{
    static const char *const ends[] = { "", "-wal", "-shm", ".lock" };
    struct err e;
    MUST(put_wait(db, 1, STR("x"), &e));
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        char path[100];
        struct stat st;
        snprintf(path, sizeof path, "%s%s", w->path, ends[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static int64_t pragma(struct db *db, const char *sql)
{
    struct err e;
    struct db_conn *c = db_reader(db, &e);
    struct db_stmt *s = db_query(c, sql, &e);
    assert_non_null(s);
    assert_int_equal(db_step(s, &e), GOT_ONE);
    int64_t value = db_int(s, 0);
    db_stmt_done(s);
    db_reader_done(db, c);
    return value;
}

DB(room_can_be_given_back)
{
    assert_int_equal(pragma(db, "PRAGMA auto_vacuum"), 2);
}

static bool fill(struct db_conn *c, void *arg, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "INSERT OR REPLACE INTO t VALUES(?, zeroblob(65536))", e);
    if (!s)
        return false;
    db_bind_int(s, 1, *(int64_t *)arg % 100);
    return db_step(s, e) == GOT_NONE;
}

static bool read_synchronous(struct db_conn *c, void *arg, struct err *e)
{
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, "PRAGMA synchronous", e);
    if (!s || db_step(s, e) != GOT_ONE)
        return false;
    *(int64_t *)arg = db_int(s, 0);
    return true;
}

DB(a_commit_is_on_the_disk)
{
    struct err e;
    int64_t synchronous;
    MUST(db_write_wait(db, read_synchronous, &synchronous, &e));
    assert_int_equal(synchronous, 2); /* FULL: an fsync of the log in every commit */
}

DB(the_log_does_not_grow_for_ever)
{
    enum { CHANGES = 3200, TOGETHER = 16 };
    static int64_t keys[CHANGES];
    struct err e;
    /* 200 MB of changes to 6.5 MB of rows. */
    for (int i = 0; i < CHANGES; i++) {
        keys[i] = i;
        db_write_later(db, fill, NULL, &keys[i]);
        if (i % TOGETHER == TOGETHER - 1)
            MUST(db_sync(db, &e));
    }
    assert_in_range(db_bytes(db), 6 << 20, 100 << 20);
}

TEST(a_file_that_is_no_database_is_refused)
{
    struct err e = { 0 };
    char folder[] = "/tmp/evalx-sqlite-XXXXXX", path[80];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.db", folder);
    CLEANUP(buf_done) struct buf junk = { 0 };
    for (int i = 0; i < 2000; i++)
        buf_add_text(&junk, "this is no database; ");
    MUST(file_replace(AT_FDCWD, path, buf_str(&junk), 0600, &e));
    assert_null(db_open(path, &e));
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "not a database"));
    assert_non_null(strstr(e.text, path));
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TEST(a_folder_that_is_not_there_is_named)
{
    struct err e = { 0 };
    assert_null(db_open("/nonexistent/folder/t.db", &e));
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_int_equal(e.sys, ENOENT);
    assert_non_null(strstr(e.text, "/nonexistent/folder/t.db"));
}

TEST(a_folder_one_may_not_write_to_is_an_error)
{
    if (geteuid() != 0)
        skip();
    struct err e = { 0 };
    char folder[] = "/tmp/evalx-sqlite-XXXXXX", path[80];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.db", folder);
    assert_int_equal(seteuid(65534), 0);
    struct db *db = db_open(path, &e);
    assert_int_equal(seteuid(0), 0);
    assert_null(db);
    assert_int_equal(e.sys, EACCES);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Pages in the middle overwritten: reads and writes say so, nothing dies. */
DB(a_broken_file_gives_errors)
{
    struct err e = { 0 };
    for (int64_t i = 0; i < 100; i++)
        MUST(db_write_wait(db, fill, &i, &e));
    db_close(db);
    w->db = NULL;

    int fd = open(w->path, O_RDWR | O_CLOEXEC);
    static char junk[4096];
    memset(junk, 0xa5, sizeof junk);
    for (off_t at = 3 * 4096; at < 200 * 4096; at += 4096)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);

    w->db = db_open(w->path, &e);
    if (!w->db) {
        assert_int_equal(e.kind, ERR_SYSTEM);
        return;
    }
    struct db_conn *c = db_reader(w->db, &e);
    struct db_stmt *s = db_query(c, "SELECT k, v FROM t ORDER BY k", &e);
    enum got got = s ? GOT_ONE : GOT_FAILED;
    while (got == GOT_ONE)
        got = db_step(s, &e);
    assert_int_equal(got, GOT_FAILED);
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "malformed"));
    db_stmt_done(s);
    db_reader_done(w->db, c);
    int64_t key = 5;
    assert_false(db_write_wait(w->db, fill, &key, &e));
    assert_false(db_write_wait(w->db, fill, &key, &e));
}

/* ---- full disks ---- */

static bool set_page_limit(struct db_conn *c, void *arg, struct err *e)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA max_page_count=%d", *(int *)arg);
    return db_exec(c, sql, e);
}

DB(a_full_database_fails_all_that_came_together_and_recovers)
{
    struct err e = { 0 };
    int limit = 10;
    MUST(db_write_wait(db, set_page_limit, &limit, &e));

    struct halt halt;
    halt_writer(&halt, db, 1000);
    struct told small = { .put = { .key = 1001 } };
    int64_t key = 1;
    db_write(db, put_told, tell, &small);
    db_write(db, fill, NULL, &key);
    sem_post(&halt.go_on);
    assert_false(db_sync(db, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "full"));
    /* Told as it is, whichever way SQLite went. */
    assert_int_equal(count_rows(db), small.ok ? 2 : 1);

    limit = 100000;
    MUST(db_write_wait(db, set_page_limit, &limit, &e));
    MUST(db_write_wait(db, fill, &key, &e));
    MUST(db_sync(db, &e));
}

/* A file that may not grow fails in the middle of a commit's write. */
DB(a_write_the_kernel_refuses_is_told_and_recovers)
{
    struct err e = { 0 };
    struct rlimit before, small;
    MUST(put_wait(db, 1, STR("x"), &e));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){ 100000, before.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int64_t key;
    int failures = 0;
    for (key = 10; key < 15; key++)
        failures += !db_write_wait(db, fill, &key, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

    assert_true(failures >= 4);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_int_equal(count_rows(db), 1 + 5 - failures);
    for (key = 20; key < 25; key++)
        MUST(db_write_wait(db, fill, &key, &e));
    assert_int_equal(count_rows(db), 6 + 5 - failures);
}

/* The real thing: a disk of 1 MB of this test's own. */
static int on_a_full_disk(void)
{
    struct err e = { 0 };
    int64_t key = 0, written = 0;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("small", "/tmp", "tmpfs", 0, "size=1m") != 0)
        return 77;
    struct db *db = db_open("/tmp/t.db", &e);
    if (!db || !db_write_wait(db, create_table, NULL, &e))
        return 1;
    for (; key < 90 && db_write_wait(db, fill, &key, &e); key++)
        written++;
    if (key == 90 || e.kind != ERR_UNAVAILABLE || !strstr(e.text, "full"))
        return 2;
    if (count_rows(db) != written)
        return 3;
    if (mount("small", "/tmp", "tmpfs", MS_REMOUNT, "size=64m") != 0)
        return 4;
    if (!db_write_wait(db, fill, &key, &e) || count_rows(db) != written + 1)
        return 5;
    db_close(db);
    if (!(db = db_open("/tmp/t.db", &e)) || count_rows(db) != written + 1)
        return 6;
    db_close(db);
    return 0;
}

TEST(a_full_disk_is_told_and_works_again_with_room)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(on_a_full_disk());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- schema ---- */

static const char *const scripts[] = {
    "CREATE TABLE a(x); CREATE TABLE b(x)", "INSERT INTO a VALUES(1)",
    "CREATE TABLE a(x)", /* there already */
};

DB(each_step_of_a_schema_is_taken_once)
{
    struct err e;
    MUST(db_migrate(db, "part", scripts, 1, &e));
    MUST(db_migrate(db, "part", scripts, 1, &e));
    assert_int_equal(pragma(db, "SELECT count(*) FROM a"), 0);
    MUST(db_migrate(db, "part", scripts, 2, &e));
    MUST(db_migrate(db, "part", scripts, 2, &e));
    assert_int_equal(pragma(db, "SELECT count(*) FROM a"), 1);
}

DB(a_step_that_fails_leaves_the_schema_as_it_was)
{
    struct err e;
    MUST(db_migrate(db, "part", scripts, 1, &e));
    assert_false(db_migrate(db, "part", scripts, 3, &e));
    assert_non_null(strstr(e.text, "to version 3"));
    assert_int_equal(pragma(db, "SELECT count(*) FROM a"), 0);
    MUST(db_migrate(db, "part", scripts, 2, &e));
}

DB(a_file_of_a_newer_version_is_refused)
{
    struct err e = { 0 };
    MUST(db_migrate(db, "part", scripts, 2, &e));
    assert_false(db_migrate(db, "part", scripts, 1, &e));
    assert_non_null(strstr(e.text, "newer"));
}

#define D(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

RUN_TESTS(T(a_full_disk_is_told_and_works_again_with_room), /* forks: before any thread */
          D(a_write_that_was_waited_for_can_be_read), D(done_is_called_after_the_commit),
          D(writes_that_gather_share_one_transaction), D(a_failing_write_is_rolled_back_alone),
          D(a_key_that_exists_is_a_conflict), D(sync_tells_a_failure_once),
          D(sync_tells_only_whose_write_failed), D(a_failure_that_was_waited_for_is_not_told_again),
          D(writes_of_one_thread_keep_their_order),
          D(a_burst_longer_than_a_transaction_is_carried_out_whole),
          D(a_write_for_later_is_carried_out_unasked), D(a_commit_is_on_the_disk),
          D(a_done_may_write_again_and_closing_carries_it_out), D(a_crowd_is_told_the_truth_each),
          D(readers_do_not_wait_for_the_writer), D(a_reader_waits_until_one_is_given_back),
          D(readers_cannot_write), D(any_bytes_come_back_and_null_is_not_empty),
          D(one_text_may_be_in_use_twice_and_texts_do_not_pile_up), D(wrong_sql_is_a_bug_of_ours),
          D(a_second_process_is_told_who_has_the_file), D(the_file_is_its_owner_s_alone),
          D(room_can_be_given_back), D(the_log_does_not_grow_for_ever),
          T(a_file_that_is_no_database_is_refused), T(a_folder_that_is_not_there_is_named),
          T(a_folder_one_may_not_write_to_is_an_error), D(a_broken_file_gives_errors),
          D(a_full_database_fails_all_that_came_together_and_recovers),
          D(a_write_the_kernel_refuses_is_told_and_recovers),
          D(each_step_of_a_schema_is_taken_once), D(a_step_that_fails_leaves_the_schema_as_it_was),
          D(a_file_of_a_newer_version_is_refused))
