/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order lives in memory (queue_line.c); the table only has to bring it back after a restart. So
 * nobody waits for its writes: they ride along in the commits that make admissions durable, in the
 * order of the changes. What a crash takes with it is at most an attempt's count or the end of an
 * entry, and then the id is offered once more, which the store's record explains.
 *
 * A row stays while its id is waiting or leased; a process finds in it only what no worker of its
 * own can have, so every row is offered again, with the attempts made so far.
 */
#include <string.h>

#include "base/clock.h"
#include "drivers/sqlite.h"
#include "queue/queue_line.h"

static const struct queue_ops ops = LINE_OPS("sqlite");

static const char *const schema[] = {
    "CREATE TABLE queue("
    " seq INTEGER PRIMARY KEY," /* place in line */
    " id TEXT NOT NULL,"
    " priority INTEGER NOT NULL,"
    " pushed_us INTEGER NOT NULL,"
    " ready_us INTEGER NOT NULL," /* wall clock; 0: at once */
    " attempts INTEGER NOT NULL)",
};

/* One change, on its way to the table. */
struct change {
    int64_t seq, pushed_us, ready_us;
    int attempts, priority;
    char id[TOKEN_TEXT]; /* of a push */
};

static void change_done(void *arg, UNUSED bool ok, UNUSED const struct err *e)
{
    free(arg);
}

static bool run(struct db_stmt *s, struct err *e)
{
    return db_step(s, e) != GOT_FAILED;
}

static bool write_pushed(struct db_conn *c, void *arg, struct err *e)
{
    const struct change *x = arg;
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c,
                 "INSERT INTO queue(seq, id, priority, pushed_us, ready_us, attempts)"
                 " VALUES(?, ?, ?, ?, ?, 0)",
                 e);
    if (!s)
        return false;
    db_bind_int(s, 1, x->seq);
    db_bind_text(s, 2, x->id);
    db_bind_int(s, 3, x->priority);
    db_bind_int(s, 4, x->pushed_us);
    db_bind_int(s, 5, x->ready_us);
    return run(s, e);
}

static bool write_changed(struct db_conn *c, void *arg, struct err *e)
{
    const struct change *x = arg;
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "UPDATE queue SET attempts = ?, ready_us = ? WHERE seq = ?", e);
    if (!s)
        return false;
    db_bind_int(s, 1, x->attempts);
    db_bind_int(s, 2, x->ready_us);
    db_bind_int(s, 3, x->seq);
    return run(s, e);
}

static bool write_removed(struct db_conn *c, void *arg, struct err *e)
{
    const struct change *x = arg;
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, "DELETE FROM queue WHERE seq = ?", e);
    if (!s)
        return false;
    db_bind_int(s, 1, x->seq);
    return run(s, e);
}

static void write_change(struct db *db, db_write_fn fn, const struct entry *x, int64_t delay_us)
{
    struct change *change = malloc(sizeof *change);
    CHECK(change);
    int64_t wall = wall_us();
    *change =
        (struct change){ .seq = x->seq,
                         .pushed_us = x->pushed_us,
                         .ready_us = delay_us > 0 ? wall + MIN(delay_us, INT64_MAX - wall) : 0,
                         .attempts = x->attempts,
                         .priority = x->priority };
    memcpy(change->id, x->id, sizeof change->id);
    /* What may have ended the process before must be counted before it can do so again. */
    if (x->restored || x->attempts > 1)
        db_write(db, fn, change_done, change);
    else
        db_write_later(db, fn, change_done, change);
}

static void pushed(void *db, const struct entry *x, int64_t delay_us)
{
    write_change(db, write_pushed, x, delay_us);
}

static void changed(void *db, const struct entry *x, int64_t delay_us)
{
    write_change(db, write_changed, x, delay_us);
}

static void removed(void *db, const struct entry *x)
{
    write_change(db, write_removed, x, 0);
}

/* ---- opening ---- */

static void load_row(struct line *l, struct db *db, struct db_stmt *s, int64_t now_us, int64_t wall)
{
    char id[TOKEN_TEXT];
    snprintf(id, sizeof id, "%.*s", STR_FMT(db_blob(s, 1)));
    int64_t seq = db_int(s, 0);
    l->order.last_seq = seq;
    if (order_find(&l->order, id)) { /* the end of an earlier entry was not kept: disk full */
        removed(db, &(struct entry){ .seq = seq });
        return;
    }

    int priority = (int)MAX(0, MIN(db_int(s, 2), QUEUE_PRIORITIES - 1));
    int64_t delay_us = MIN(MAX(0, db_int(s, 4) - wall), INT64_MAX - now_us);
    l->order.last_seq--; /* it keeps its place in line, and with it the key of its row */
    struct entry *x = order_add(&l->order, id, priority, db_int(s, 3), now_us, now_us + delay_us);
    x->attempts = (int)db_int(s, 5);
    x->restored = true;
}

static bool load(struct line *l, struct db *db, struct db_conn *c, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c,
                 "SELECT seq, id, priority, pushed_us, ready_us, attempts FROM queue"
                 " ORDER BY seq",
                 e);
    if (!s)
        return false;

    int64_t now_us = l->config.now_us(), wall = wall_us();
    enum got got;
    while ((got = db_step(s, e)) == GOT_ONE)
        load_row(l, db, s, now_us, wall);
    return got == GOT_NONE;
}

struct queue *queue_sqlite_open(struct db *db, const struct queue_config *config, struct err *e)
{
    if (!db_migrate(db, "queue", schema, (int)COUNT_OF(schema), e))
        return NULL;
    struct db_conn *c = db_reader(db, e);
    if (!c)
        return NULL;

    struct line *l = line_new(&ops, config, (struct line_journal){ pushed, changed, removed, db });
    bool ok = load(l, db, c, e);
    db_reader_done(db, c);
    if (ok)
        return &l->queue;
    line_close(&l->queue);
    err_add(e, "load the queue");
    return NULL;
}
