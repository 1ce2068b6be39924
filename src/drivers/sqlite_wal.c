/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying the log back into the file ("checkpoint"), away from the commits. SQLite would do it
 * inside the commit that makes the log too long, and that commit would wait for two more fsyncs.
 *
 * A thread with a connection of its own copies while the writer goes on. Under constant writing it
 * never gets to the end, and only a log copied to its end starts again from its beginning; so once
 * the log is long, the writer copies the little that is left itself, between two transactions.
 */
#include "drivers/sqlite_internal.h"

enum {
    COPY_PAGES = 1000,       /* copy when this much is new: 4 MiB */
    LOG_LONG_PAGES = 4000,   /* 16 MiB */
    NEARLY_ALL_PAGES = 1500, /* what the writer may copy itself */
};

static int after_commit(void *arg, UNUSED sqlite3 *handle, UNUSED const char *name, int pages)
{
    struct copier *copier = arg;
    pthread_mutex_lock(&copier->lock);
    if (pages < copier->log_pages) /* started again */
        copier->left_pages = copier->tried_at = 0;
    copier->left_pages += pages - (pages < copier->log_pages ? 0 : copier->log_pages);
    copier->log_pages = pages;
    if (copier->left_pages >= COPY_PAGES && !copier->wanted) {
        copier->wanted = true;
        pthread_cond_signal(&copier->work);
    }
    pthread_mutex_unlock(&copier->lock);
    return SQLITE_OK;
}

/* Failure is no loss: everything is in the log, and the next commits ask again. */
static void copy(struct copier *copier, struct db_conn *c)
{
    int in_log = 0, copied = 0;
    int code =
        sqlite3_wal_checkpoint_v2(c->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
    pthread_mutex_lock(&copier->lock);
    if (code == SQLITE_OK && copied >= 0 && copied <= copier->log_pages)
        copier->left_pages = copier->log_pages - copied;
    pthread_mutex_unlock(&copier->lock);
}

void copier_close_log(struct db *db)
{
    struct copier *copier = &db->copier;
    pthread_mutex_lock(&copier->lock);
    bool now = copier->log_pages >= LOG_LONG_PAGES && copier->left_pages <= NEARLY_ALL_PAGES &&
               copier->log_pages >= copier->tried_at + COPY_PAGES;
    if (now)
        copier->tried_at = copier->log_pages;
    pthread_mutex_unlock(&copier->lock);
    if (now)
        copy(copier, db->writer.conn);
}

static bool wait_wanted(struct copier *copier)
{
    pthread_mutex_lock(&copier->lock);
    while (!copier->wanted && !copier->stop)
        pthread_cond_wait(&copier->work, &copier->lock);
    copier->wanted = false;
    bool go_on = !copier->stop;
    pthread_mutex_unlock(&copier->lock);
    return go_on;
}

static void *copier_main(void *arg)
{
    struct db *db = arg;
    while (wait_wanted(&db->copier))
        copy(&db->copier, db->copier.conn);
    return NULL;
}

bool copier_start(struct db *db, struct err *e)
{
    struct copier *copier = &db->copier;
    pthread_mutex_init(&copier->lock, NULL);
    pthread_cond_init(&copier->work, NULL);
    sqlite3_wal_hook(db->writer.conn->handle, after_commit, copier);
    int sys = pthread_create(&copier->thread, NULL, copier_main, db);
    return sys == 0 || err_sysno(e, sys, "start the copier");
}

void copier_stop(struct db *db)
{
    struct copier *copier = &db->copier;
    pthread_mutex_lock(&copier->lock);
    copier->stop = true;
    pthread_cond_signal(&copier->work);
    pthread_mutex_unlock(&copier->lock);
    pthread_join(copier->thread, NULL);
    pthread_cond_destroy(&copier->work);
    pthread_mutex_destroy(&copier->lock);
}
