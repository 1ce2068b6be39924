/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit. Writes queue up in one list; the writer thread takes the whole list, carries it out
 * in one transaction and commits once. It never waits for company: an idle writer starts on the
 * first write at once, and while its commit is on the way to the disk the next writes gather by
 * themselves. Only writes that nobody waits for yet (db_write_later) stay back for those that
 * somebody does. So one client alone pays one fsync, and a thousand share it.
 *
 * Each write stands in a savepoint of its own: one that fails is rolled back alone. What cannot be
 * rolled back alone (a full disk makes SQLite give up the whole transaction) fails all of them.
 *
 * A barrier is an entry without a function: when its turn comes, all before it are durable.
 */
#include "drivers/sqlite_internal.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/clock.h"

/* A burst is cut into transactions of this many, so that the first do not wait for the last. */
enum { BATCH_MAX = 2000, LATER_US = 2000, FAILURES_MAX = 4096 };

struct write {
    struct write *next;
    db_write_fn fn; /* NULL: a barrier */
    db_done_fn done;
    void *arg;
    uint64_t thread; /* whose db_sync() hears of a failure; 0: somebody is waiting for it anyway */
    struct err *err; /* NULL: carried out */
};

/* A thread's first failure since its last db_sync(). */
struct failure {
    struct failure *next;
    uint64_t thread;
    struct err err;
};

static uint64_t this_thread(void)
{
    static _Atomic uint64_t last;
    static _Thread_local uint64_t mine;
    if (!mine)
        mine = atomic_fetch_add(&last, 1) + 1;
    return mine;
}

static void write_fail(struct write *w, const struct err *e)
{
    if (!w->fn || w->err)
        return;
    w->err = malloc(sizeof *w->err);
    CHECK(w->err);
    *w->err = *e;
}

/* ---- one batch, on the writer thread ---- */

/* False: the transaction is lost, e says why. */
static bool carry_out(struct db_conn *c, struct write *w, struct err *e)
{
    if (!conn_run(c, "SAVEPOINT one", e))
        return false;

    struct err why = { 0 };
    bool ok = w->fn(c, w->arg, &why);
    if (!ok) {
        write_fail(w, &why);
        *e = why;
        if (sqlite3_get_autocommit(c->handle))
            return false; /* SQLite has rolled back everything */
        if (!conn_run(c, "ROLLBACK TO one", e))
            return false;
    }
    return conn_run(c, "RELEASE one", e);
}

static bool carry_out_all(struct db_conn *c, struct write *batch, struct err *e)
{
    if (!conn_run(c, "BEGIN IMMEDIATE", e))
        return false;
    for (struct write *w = batch; w; w = w->next)
        if (w->fn && !carry_out(c, w, e))
            return false;
    return conn_run(c, "COMMIT", e);
}

static bool has_work(const struct write *batch)
{
    for (; batch; batch = batch->next)
        if (batch->fn)
            return true;
    return false;
}

static void run_batch(struct db_conn *c, struct write *batch)
{
    if (!has_work(batch))
        return;

    struct err e = { 0 }, ignored;
    if (carry_out_all(c, batch, &e))
        return;
    if (!sqlite3_get_autocommit(c->handle) && !conn_run(c, "ROLLBACK", &ignored))
        conn_forget_stmts(c); /* the next BEGIN fails and says why */
    for (struct write *w = batch; w; w = w->next)
        write_fail(w, &e);
}

/* ---- telling ---- */

static struct failure **failure_of(struct writer *writer, uint64_t thread)
{
    struct failure **at = &writer->failures;
    while (*at && (*at)->thread != thread)
        at = &(*at)->next;
    return at;
}

/* Threads that end without a db_sync() leave theirs behind, hence the bound: the oldest goes. */
static void remember_failure(struct writer *writer, const struct write *w)
{
    int count = 0;
    pthread_mutex_lock(&writer->lock);
    if (!*failure_of(writer, w->thread)) {
        struct failure *f = malloc(sizeof *f);
        CHECK(f);
        *f = (struct failure){ writer->failures, w->thread, *w->err };
        writer->failures = f;
    }
    for (struct failure **at = &writer->failures; *at; at = &(*at)->next) {
        if (++count <= FAILURES_MAX)
            continue;
        free(*at);
        *at = NULL;
        break;
    }
    pthread_mutex_unlock(&writer->lock);
}

/* In order, so that a barrier's waiter finds everything before it told. */
static int64_t tell(struct writer *writer, struct write *batch)
{
    static const struct err none;
    int64_t count = 0;
    for (struct write *w = batch, *next; w; w = next, count++) {
        next = w->next;
        if (w->err && w->thread)
            remember_failure(writer, w);
        if (w->done)
            w->done(w->arg, !w->err, w->err ? w->err : &none);
        free(w->err);
        free(w);
    }
    return count;
}

/* ---- the thread ---- */

static void wait_due(struct writer *writer)
{
    writer->idle = true;
    if (writer->due_us == INT64_MAX) {
        pthread_cond_wait(&writer->work, &writer->lock);
    } else {
        struct timespec at = us_to_timespec(writer->due_us);
        pthread_cond_timedwait(&writer->work, &writer->lock, &at);
    }
    writer->idle = false;
}

/* The next batch; NULL: stopped, and nothing is left. */
static struct write *next_batch(struct writer *writer, int64_t told)
{
    pthread_mutex_lock(&writer->lock);
    writer->pending -= told;
    while (!writer->stop && writer->due_us > mono_us())
        wait_due(writer);

    struct write *batch = writer->first, **at = &batch;
    for (int i = 0; i < BATCH_MAX && *at; i++)
        at = &(*at)->next;
    writer->first = *at;
    if (!*at)
        writer->end = &writer->first;
    writer->due_us = *at ? 0 : INT64_MAX;
    *at = NULL;
    pthread_mutex_unlock(&writer->lock);
    return batch;
}

static void *writer_main(void *arg)
{
    struct db *db = arg;
    int64_t told = 0;
    for (struct write *batch; (batch = next_batch(&db->writer, told));) {
        run_batch(db->writer.conn, batch);
        told = tell(&db->writer, batch);
        copier_close_log(db);
    }
    return NULL;
}

bool writer_start(struct db *db, struct err *e)
{
    struct writer *writer = &db->writer;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->work, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&writer->lock, NULL);
    writer->due_us = INT64_MAX;
    writer->end = &writer->first;
    int sys = pthread_create(&writer->thread, NULL, writer_main, db);
    return sys == 0 || err_sysno(e, sys, "start the writer");
}

void writer_stop(struct db *db)
{
    struct writer *writer = &db->writer;
    pthread_mutex_lock(&writer->lock);
    writer->stop = true;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);

    for (struct failure *f = writer->failures, *next; f; f = next) {
        next = f->next;
        free(f);
    }
    pthread_cond_destroy(&writer->work);
    pthread_mutex_destroy(&writer->lock);
}

/* ---- from other threads ---- */

static void enqueue(struct db *db, const struct write *write, int64_t due_us)
{
    struct writer *writer = &db->writer;
    struct write *w = malloc(sizeof *w);
    CHECK(w);
    *w = *write;

    pthread_mutex_lock(&writer->lock);
    *writer->end = w;
    writer->end = &w->next;
    writer->pending++;
    if (due_us < writer->due_us) {
        writer->due_us = due_us;
        if (writer->idle)
            pthread_cond_signal(&writer->work);
    }
    pthread_mutex_unlock(&writer->lock);
}

void db_write(struct db *db, db_write_fn fn, db_done_fn done, void *arg)
{
    enqueue(db, &(struct write){ .fn = fn, .done = done, .arg = arg, .thread = this_thread() }, 0);
}

void db_write_later(struct db *db, db_write_fn fn, db_done_fn done, void *arg)
{
    enqueue(db, &(struct write){ .fn = fn, .done = done, .arg = arg, .thread = this_thread() },
            mono_us() + LATER_US);
}

struct waiter {
    sem_t told;
    db_write_fn fn;
    void *arg;
    bool ok;
    struct err err;
};

static bool waiter_write(struct db_conn *c, void *arg, struct err *e)
{
    struct waiter *waiter = arg;
    return waiter->fn(c, waiter->arg, e);
}

static void waiter_done(void *arg, bool ok, const struct err *e)
{
    struct waiter *waiter = arg;
    waiter->ok = ok;
    waiter->err = *e;
    sem_post(&waiter->told);
}

static bool wait_for(struct db *db, db_write_fn fn, struct waiter *waiter)
{
    sem_init(&waiter->told, 0, 0);
    enqueue(db, &(struct write){ .fn = fn, .done = waiter_done, .arg = waiter }, 0);
    while (sem_wait(&waiter->told) != 0)
        CHECK(errno == EINTR);
    sem_destroy(&waiter->told);
    return waiter->ok;
}

bool db_write_wait(struct db *db, db_write_fn fn, void *arg, struct err *e)
{
    struct waiter waiter = { .fn = fn, .arg = arg };
    if (wait_for(db, waiter_write, &waiter))
        return true;
    *e = waiter.err;
    return false;
}

bool db_sync(struct db *db, struct err *e)
{
    struct writer *writer = &db->writer;
    pthread_mutex_lock(&writer->lock);
    bool pending = writer->pending > 0;
    pthread_mutex_unlock(&writer->lock);
    if (pending) {
        struct waiter waiter = { 0 };
        CHECK(wait_for(db, NULL, &waiter));
    }

    pthread_mutex_lock(&writer->lock);
    struct failure **at = failure_of(writer, this_thread()), *f = *at;
    if (f)
        *at = f->next;
    pthread_mutex_unlock(&writer->lock);
    if (!f)
        return true;
    *e = f->err;
    free(f);
    return false;
}
