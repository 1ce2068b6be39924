/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order lives in memory (queue_line.c); the table only has to bring it back after a restart. So
 * nobody waits for its writes: they ride along in the commits that make admissions durable, in the
 * order of the changes. What a crash takes with it is at most an attempt's count or the end of an
 * entry, and then the id is offered once more, which the store's record explains.
 *
 * A row stays while its id is waiting, leased or dead; a process finds in it only what no worker of
 * its own can have, so every row that is not dead is offered again, with the attempts made so far.
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
    "ALTER TABLE queue ADD COLUMN tenant TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE queue ADD COLUMN died_us INTEGER NOT NULL DEFAULT 0;" /* wall clock; 0: alive */
    "ALTER TABLE queue ADD COLUMN reason TEXT;"
    "CREATE TABLE queue_pause(since_us INTEGER NOT NULL);", /* a row while it is paused */
};

/* One change, on its way to the table. */
struct change {
    int64_t seq, pushed_us, ready_us, died_us;
    int attempts, priority;
    char id[TOKEN_TEXT], tenant[TENANT_TEXT]; /* of a push */
    char reason[REASON_TEXT];                 /* of a death */
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
                 "INSERT INTO queue(seq, id, priority, pushed_us, ready_us, tenant, attempts)"
                 " VALUES(?, ?, ?, ?, ?, ?, 0)",
                 e);
    if (!s)
        return false;
    db_bind_int(s, 1, x->seq);
    db_bind_text(s, 2, x->id);
    db_bind_int(s, 3, x->priority);
    db_bind_int(s, 4, x->pushed_us);
    db_bind_int(s, 5, x->ready_us);
    db_bind_text(s, 6, x->tenant);
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

static bool write_buried(struct db_conn *c, void *arg, struct err *e)
{
    const struct change *x = arg;
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "UPDATE queue SET died_us = ?, reason = ? WHERE seq = ?", e);
    if (!s)
        return false;
    db_bind_int(s, 1, x->died_us);
    db_bind_text(s, 2, x->reason);
    db_bind_int(s, 3, x->seq);
    return run(s, e);
}

static bool write_paused(struct db_conn *c, UNUSED void *arg, struct err *e)
{
    return db_exec(c, "INSERT INTO queue_pause(since_us) VALUES(unixepoch() * 1000000)", e);
}

static bool write_resumed(struct db_conn *c, UNUSED void *arg, struct err *e)
{
    return db_exec(c, "DELETE FROM queue_pause", e);
}

static struct change *change_of(const struct entry *x, int64_t delay_us)
{
    struct change *change = malloc(sizeof *change);
    CHECK(change);
    int64_t wall = wall_us();
    *change =
        (struct change){ .seq = x->seq,
                         .pushed_us = x->pushed_us,
                         .ready_us = delay_us > 0 ? wall + MIN(delay_us, INT64_MAX - wall) : 0,
                         .attempts = x->attempts };
    memcpy(change->id, x->id, sizeof change->id);
    if (x->lane) {
        change->priority = x->lane->priority;
        memcpy(change->tenant, x->lane->tenant, sizeof change->tenant);
    }
    if (x->death) {
        change->died_us = x->death->at_us;
        snprintf(change->reason, sizeof change->reason, "%s", x->death->reason);
    }
    return change;
}

static void write_change(struct db *db, db_write_fn fn, const struct entry *x, int64_t delay_us)
{
    struct change *change = change_of(x, delay_us);
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

static void buried(void *db, const struct entry *x)
{
    write_change(db, write_buried, x, 0);
}

static void paused(void *db, bool paused)
{
    db_write(db, paused ? write_paused : write_resumed, NULL, NULL);
}

/* ---- opening ---- */

static void text_of(struct db_stmt *s, int column, char *out, size_t size)
{
    snprintf(out, size, "%.*s", STR_FMT(db_blob(s, column)));
}

static void load_row(struct line *l, struct db *db, struct db_stmt *s, int64_t now_us, int64_t wall)
{
    char id[TOKEN_TEXT], tenant[TENANT_TEXT], reason[REASON_TEXT];
    text_of(s, 1, id, sizeof id);
    text_of(s, 6, tenant, sizeof tenant);
    int64_t seq = db_int(s, 0);
    l->order.last_seq = seq;
    if (order_find(&l->order, id)) { /* the end of an earlier entry was not kept: disk full */
        removed(db, &(struct entry){ .seq = seq });
        return;
    }

    int64_t delay_us = MIN(MAX(0, db_int(s, 4) - wall), INT64_MAX - now_us);
    struct queue_entry row = {
        .id = id,
        .priority = (int)MAX(0, MIN(db_int(s, 2), QUEUE_PRIORITIES - 1)),
        .tenant = tenant,
    };
    l->order.last_seq--; /* it keeps its place in line, and with it the key of its row */
    struct entry *x = order_add(&l->order, &row, db_int(s, 3), now_us, now_us + delay_us);
    x->attempts = (int)db_int(s, 5);
    x->restored = true;
    if (db_int(s, 7)) {
        text_of(s, 8, reason, sizeof reason);
        order_bury(&l->order, x, reason, db_int(s, 7));
    }
}

/* The dead ones come last, in the order they died, for they are listed newest first; a place in
 * line still goes by seq, and the highest one is set at the end. */
static bool load(struct line *l, struct db *db, struct db_conn *c, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c,
                 "SELECT seq, id, priority, pushed_us, ready_us, attempts, tenant, died_us, reason"
                 " FROM queue ORDER BY died_us, seq",
                 e);
    if (!s)
        return false;

    int64_t now_us = l->config.now_us(), wall = wall_us(), last_seq = 0;
    enum got got;
    while ((got = db_step(s, e)) == GOT_ONE) {
        load_row(l, db, s, now_us, wall);
        last_seq = MAX(last_seq, l->order.last_seq);
    }
    l->order.last_seq = last_seq;
    return got == GOT_NONE;
}

static bool load_pause(struct line *l, struct db_conn *c, struct err *e)
{
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, "SELECT 1 FROM queue_pause LIMIT 1", e);
    enum got got = s ? db_step(s, e) : GOT_FAILED;
    l->paused = got == GOT_ONE;
    return got != GOT_FAILED;
}

struct queue *queue_sqlite_open(struct db *db, const struct queue_config *config, struct err *e)
{
    static const struct line_journal journal = { pushed, changed, removed, buried, paused, NULL };
    if (!db_migrate(db, "queue", schema, (int)COUNT_OF(schema), e))
        return NULL;
    struct db_conn *c = db_reader(db, e);
    if (!c)
        return NULL;

    struct line *l = line_new(&ops, config, journal);
    l->journal.arg = db;
    bool ok = load(l, db, c, e) && load_pause(l, c, e);
    db_reader_done(db, c);
    if (ok)
        return &l->queue;
    line_close(&l->queue);
    err_add(e, "load the queue");
    return NULL;
}
