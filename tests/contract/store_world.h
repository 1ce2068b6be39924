/* SPDX-License-Identifier: Apache-2.0 */
/* store_world.h - a store of any backend for one test, and the words the tests are written in. */
#ifndef EVALX_TESTS_STORE_WORLD_H
#define EVALX_TESTS_STORE_WORLD_H

#include "../redis_world.h"
#include "contract.h"
#include "drivers/redis.h"
#include "drivers/sqlite.h"
#include "redis/cluster.h"
#include "store/store.h"

static const int64_t retention_us = 1000 * US_PER_S;

struct world;

struct backend {
    const char *name;
    void (*open)(struct world *w);
    void (*close)(struct world *w);
    bool survives; /* a restart of the process */
    bool shared;   /* by several processes */
    bool archives; /* by itself, into a history behind it */
};

struct world {
    const struct backend *backend;
    struct store *s; /* NULL: its server is not installed here */
    struct db *db;
    struct redis *redis;
    char folder[64];
};

static void memory_open(struct world *w)
{
    w->s = store_memory_open(&(struct store_config){ .retention_us = retention_us });
}

static void memory_close(struct world *w)
{
    store_close(w->s);
}

static void sqlite_open(struct world *w)
{
    struct err e;
    char path[80];
    snprintf(path, sizeof path, "%s/s.db", w->folder);
    MUST(w->db = db_open(path, &e));
    MUST(w->s =
             store_sqlite_open(w->db, &(struct store_config){ .retention_us = retention_us }, &e));
}

static void sqlite_close(struct world *w)
{
    store_close(w->s);
    db_close(w->db);
}

static void redis_connect(struct world *w, const char *url)
{
    struct err e;
    MUST(w->redis = redis_open(&(struct redis_config){ .url = url }, &e));
    MUST(w->s = store_redis_open(
             w->redis, "t",
             &(struct store_config){ .retention_us = retention_us, .has_history = true }, &e));
}

static void redis_world_open(struct world *w)
{
    if (redis_is_here())
        redis_connect(w, redis_shared()->url);
}

static void redis_world_close(struct world *w)
{
    store_close(w->s);
    redis_close(w->redis);
    w->s = NULL;
    w->redis = NULL;
}

#ifdef WITH_HISTORY
#include "../postgres/archive_world.h"
#else
UNUSED static const struct backend backends[] = {
    { "memory", memory_open, memory_close, false },
    { "sqlite", sqlite_open, sqlite_close, true },
    { "redis", redis_world_open, redis_world_close, true, .shared = true },
};
#endif

UNUSED static int setup(void **state)
{
    static struct world world;
    world = (struct world){ .backend = *state };
    folder_make(world.folder);
    if (strcmp(world.backend->name, "redis") == 0 && redis_is_here()) {
        redis_say(redis_shared(), "FLUSHALL");
        redis_say(redis_shared(), "CONFIG SET appendfsync always");
    }
    world.backend->open(&world);
    *state = &world;
    return 0;
}

UNUSED static int teardown(void **state)
{
    struct world *w = *state;
    w->backend->close(w);
    folder_remove(w->folder);
    return 0;
}

UNUSED static void reopen(struct world *w)
{
    w->backend->close(w);
    w->backend->open(w);
}

/* ---- words the tests are written in ---- */

#define STORE(name)                                                                                \
    static void name##_body(struct world *w, struct store *s);                                     \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct world *w = *state;                                                                  \
        if (!w->s)                                                                                 \
            skip();                                                                                \
        name##_body(w, w->s);                                                                      \
    }                                                                                              \
    static void name##_body(UNUSED struct world *w, UNUSED struct store *s)

static struct job *job_made(const char *language, const char *source)
{
    struct job *job = job_new();
    job->language = arena_text(&job->arena, language);
    job->files = arena_array(&job->arena, 1, sizeof *job->files);
    job->file_count = 1;
    job->files[0].path = "main.c";
    job->files[0].content = arena_str(&job->arena, str_of(source));
    job->tests = arena_array(&job->arena, 1, sizeof *job->tests);
    job->test_count = 1;
    job->tests[0].id = "1";
    job->tests[0].weight = 1;
    job->tests[0].limits = limits_unset();
    return job;
}

/* Admit, make durable and free it; id gets the new record's. */
UNUSED static void admit_job(struct store *s, struct job *job, char id[TOKEN_TEXT])
{
    struct err e;
    assert_int_equal(store_admit(s, job, NULL, id, &e), GOT_ONE);
    assert_string_equal(id, job->id);
    job_free(job);
    MUST(store_sync(s, &e));
}

UNUSED static void admit(struct store *s, char id[TOKEN_TEXT])
{
    admit_job(s, job_made("c", "int main(){}"), id);
}

struct answer {
    _Atomic int calls;
    enum got won;
    struct err err;
    pthread_mutex_t lock;
    pthread_cond_t came;
};

static void answered(void *arg, enum got won, const struct err *e)
{
    struct answer *a = arg;
    pthread_mutex_lock(&a->lock);
    a->won = won;
    if (won == GOT_FAILED)
        a->err = *e;
    a->calls++;
    pthread_cond_signal(&a->came);
    pthread_mutex_unlock(&a->lock);
}

static enum got finish_with(struct store *s, const char *id, const struct result *r)
{
    struct answer a = { .lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER };
    store_finish(s, id, NULL, r, answered, &a);
    pthread_mutex_lock(&a.lock);
    while (!a.calls)
        pthread_cond_wait(&a.came, &a.lock);
    pthread_mutex_unlock(&a.lock);
    return a.won;
}

static struct result *result_made(enum verdict verdict, int64_t finished_us)
{
    struct result *r = result_new();
    r->verdict = verdict;
    r->attempt = 1;
    r->finished_us = finished_us;
    return r;
}

UNUSED static enum got finish(struct store *s, const char *id, enum verdict verdict)
{
    struct result *r = result_made(verdict, 0);
    enum got won = finish_with(s, id, r);
    result_free(r);
    return won;
}

static struct record load(struct store *s, const char *id, unsigned parts)
{
    struct err e;
    struct record r = { 0 };
    enum got got = store_load(s, id, parts, &r, &e);
    if (got == GOT_FAILED)
        fail_msg("load: %s", e.text);
    assert_int_equal(got, GOT_ONE);
    assert_string_equal(r.id, id);
    return r;
}

UNUSED static enum job_state state_of(struct store *s, const char *id)
{
    CLEANUP(record_done) struct record r = load(s, id, 0);
    assert_null(r.job);
    assert_null(r.result);
    return r.state;
}

UNUSED static bool is_known(struct store *s, const char *id)
{
    struct err e;
    CLEANUP(record_done) struct record r = { 0 };
    enum got got = store_load(s, id, 0, &r, &e);
    assert_int_not_equal(got, GOT_FAILED);
    return got == GOT_ONE;
}

/* start() is not waited for by anybody. */
UNUSED static void start(struct store *s, const char *id, int attempt)
{
    struct err e;
    store_start(s, id, attempt, 777);
    MUST(store_sync(s, &e));
}

UNUSED static enum got cancel(struct store *s, const char *id, enum job_state afterwards)
{
    struct err e;
    enum job_state state = STATE_QUEUED;
    enum got got = store_cancel(s, id, &state, &e);
    assert_int_not_equal(got, GOT_FAILED);
    assert_int_equal(state, afterwards);
    assert_int_equal(state_of(s, id), afterwards);
    return got;
}

/* What a listing gave. */
struct seen {
    int count;
    char ids[64][TOKEN_TEXT];
    int64_t seqs[64], delays[64];
    char tenants[64][32];
    int priorities[64];
};

#endif
