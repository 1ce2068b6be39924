/* SPDX-License-Identifier: Apache-2.0 */
/* queue_world.h - a queue of any backend for one test, and the words the tests are written in. */
#ifndef EVALX_TESTS_QUEUE_WORLD_H
#define EVALX_TESTS_QUEUE_WORLD_H

#include <signal.h>

#include "../redis_world.h"
#include "base/buf.h"
#include "contract.h"
#include "drivers/redis.h"
#include "drivers/sqlite.h"
#include "queue/queue.h"
#include "redis/cluster.h"

enum { LEASE_US = 60 * 1000 * 1000 };

struct world;

struct backend {
    const char *name;
    void (*open)(struct world *w, int64_t (*now_us)(void));
    void (*close)(struct world *w);
    bool survives; /* a restart of the process */
};

struct world {
    const struct backend *backend;
    struct queue *q; /* NULL: its server is not installed here */
    struct db *db;
    struct redis *redis;
    char folder[64];
};

static void memory_open(struct world *w, int64_t (*now_us)(void))
{
    w->q = queue_memory_open(&(struct queue_config){ LEASE_US, now_us });
}

static void memory_close(struct world *w)
{
    queue_close(w->q);
}

static void sqlite_open(struct world *w, int64_t (*now_us)(void))
{
    struct err e;
    char path[80];
    snprintf(path, sizeof path, "%s/q.db", w->folder);
    MUST(w->db = db_open(path, &e));
    MUST(w->q = queue_sqlite_open(w->db, &(struct queue_config){ LEASE_US, now_us }, &e));
}

static void sqlite_close(struct world *w)
{
    queue_close(w->q);
    db_close(w->db);
}

static void redis_world_open(struct world *w, int64_t (*now_us)(void))
{
    struct err e;
    if (!redis_is_here())
        return;
    MUST(w->redis = redis_open(&(struct redis_config){ .url = redis_shared()->url }, &e));
    MUST(w->q = queue_redis_open(w->redis, "q", &(struct queue_config){ LEASE_US, now_us }, &e));
}

static void redis_world_close(struct world *w)
{
    queue_close(w->q);
    redis_close(w->redis);
}

static const struct backend backends[] = {
    { "memory", memory_open, memory_close, false },
    { "sqlite", sqlite_open, sqlite_close, true },
    { "redis", redis_world_open, redis_world_close, true },
};

static int setup(void **state)
{
    static struct world world;
    world = (struct world){ .backend = *state };
    folder_make(world.folder);
    if (strcmp(world.backend->name, "redis") == 0 && redis_is_here())
        redis_say(redis_shared(), "FLUSHALL");
    world.backend->open(&world, test_clock);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    w->backend->close(w);
    folder_remove(w->folder);
    return 0;
}

/* Everything stops and starts again. Of a cluster's queue the server is killed too, and what was
 * leased stays so until nobody has extended it for the time of a lease. */
UNUSED static void reopen(struct world *w, int64_t (*now_us)(void))
{
    w->backend->close(w);
    if (w->redis) {
        /* With "everysec", Redis may answer before it writes; what was answered is written now. */
        redis_say(redis_shared(), "CONFIG SET appendfsync always");
        redis_say(redis_shared(), "SET written 1");
        redis_server_stop(redis_shared(), SIGKILL);
        redis_server_go_on(redis_shared());
        redis_say_until(redis_shared(), "\nloading:0", "INFO persistence");
        pass_time(LEASE_US);
    }
    w->backend->open(w, now_us);
}

/* ---- words the tests are written in ---- */

#define QUEUE(name)                                                                                \
    static void name##_body(struct world *w, struct queue *q);                                     \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct world *w = *state;                                                                  \
        if (!w->q)                                                                                 \
            skip();                                                                                \
        name##_body(w, w->q);                                                                      \
    }                                                                                              \
    static void name##_body(UNUSED struct world *w, UNUSED struct queue *q)

static void push(struct queue *q, const char *id, int priority, int64_t delay_us)
{
    struct err e;
    MUST(queue_push(q, &(struct queue_entry){ id, priority, NULL, delay_us }, &e));
}

UNUSED static void push_for(struct queue *q, const char *tenant, const char *id, int priority)
{
    struct err e;
    MUST(queue_push(q, &(struct queue_entry){ id, priority, tenant, 0 }, &e));
}

static enum got pull_one(struct queue *q, int64_t wait_us, struct ticket *ret, struct err *e)
{
    int count;
    enum got got = queue_pull(q, wait_us, ret, 1, &count, e);
    if (count != (got == GOT_ONE)) /* also in threads, where assertions cannot jump */
        abort();
    return got;
}

static struct ticket pull(struct queue *q)
{
    struct err e;
    struct ticket t = { 0 };
    assert_int_equal(pull_one(q, 0, &t, &e), GOT_ONE);
    return t;
}

UNUSED static struct ticket pull_is(struct queue *q, const char *id, int attempt)
{
    struct ticket t = pull(q);
    assert_string_equal(t.id, id);
    assert_int_equal(t.attempt, attempt);
    return t;
}

UNUSED static void is_empty(struct queue *q)
{
    struct err e;
    struct ticket t;
    assert_int_equal(pull_one(q, 0, &t, &e), GOT_NONE);
}

UNUSED static void ack(struct queue *q, const struct ticket *t)
{
    struct err e;
    MUST(queue_ack(q, t, &e));
}

UNUSED static void bury(struct queue *q, const struct ticket *t, const char *reason)
{
    struct err e;
    MUST(queue_bury(q, t, reason, &e));
}

UNUSED static struct queue_view look(struct queue *q, const char *id)
{
    struct err e;
    struct queue_view v = { 0 };
    assert_int_equal(queue_look(q, id, &v, &e), GOT_ONE);
    assert_string_equal(v.id, id);
    return v;
}

static void add_id(void *arg, const struct queue_view *v)
{
    buf_addf(arg, " %s", v->id);
}

/* The ids in one place, in the order of the list: " a b c". */
UNUSED static void list_is(struct queue *q, enum queue_place place, int64_t offset, int limit,
                           const char *expected)
{
    struct err e;
    CLEANUP(buf_done) struct buf ids = { 0 };
    buf_add_text(&ids, "");
    MUST(queue_list(q, place, offset, limit, add_id, &ids, &e));
    assert_string_equal(ids.ptr, expected);
}

UNUSED static struct queue_stats stats_of(struct queue *q)
{
    struct err e;
    struct queue_stats stats;
    MUST(queue_stats(q, &stats, &e));
    return stats;
}

/* Every way of holding on to a lease says that it is lost. */
UNUSED static void is_stale(struct queue *q, const struct ticket *t)
{
    struct err e = { 0 };
    assert_false(queue_extend(q, t, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    e.kind = ERR_NONE;
    assert_false(queue_give_back(q, t, 0, true, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
}

#endif
