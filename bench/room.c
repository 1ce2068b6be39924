/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much room a submission takes, queued and finished, as a small C++ program with one test: in
 * the memory of a Redis (used_memory, which grows in steps), in the file of SQLite.
 *
 *   room COUNT FOLDER          a new SQLite file there
 *   room COUNT redis://...     a Redis nobody else uses: it is emptied first
 */
#include <semaphore.h>

#include "base/clock.h"
#include "base/text.h"
#include "drivers/redis.h"
#include "drivers/sqlite.h"
#include "queue/queue.h"
#include "redis/cluster.h"
#include "store/store.h"

enum { STEP = 500 };

static struct redis *redis;
static struct db *db;
static struct store *store;
static struct queue *queue;
static sem_t told;

NORETURN static void die(const char *what, const struct err *e)
{
    fprintf(stderr, "room: %s: %s\n", what, e->text);
    exit(1);
}

static struct job *job_made(void)
{
    static const char source[] =
        "#include <iostream>\nint main()\n{\n    int a, b;\n    std::cin >> a >> b;\n"
        "    std::cout << a + b << std::endl;\n    return 0;\n}\n";
    struct job *job = job_new();
    job->language = "cpp";
    job->files = arena_array(&job->arena, 1, sizeof *job->files);
    job->file_count = 1;
    job->files[0] = (struct job_file){ "main.cpp", STR(source) };
    job->limits = limits_unset();
    job->limits.cpu_us = 5 * US_PER_S;
    job->limits.wall_us = 10 * US_PER_S;
    job->limits.memory_bytes = 256 << 20;
    job->limits.processes = 64;
    job->tests = arena_array(&job->arena, 1, sizeof *job->tests);
    job->test_count = 1;
    job->tests[0] = (struct job_test){ .id = "1",
                                       .stdin_data = STR("20 22\n"),
                                       .expected = STR("42\n"),
                                       .limits = job->limits,
                                       .weight = 1 };
    return job;
}

static struct result *result_made(void)
{
    struct result *r = result_new();
    r->compiled = r->cached = true;
    r->compile = (struct outcome){ .verdict = VERDICT_ACCEPTED, .cpu_us = 412345 };
    r->attempt = 1;
    r->started_us = wall_us() - 3000;
    r->tests = arena_array(&r->arena, 1, sizeof *r->tests);
    r->test_count = 1;
    r->tests[0] = (struct test_result){ .id = "1",
                                        .weight = 1,
                                        .outcome = { .verdict = VERDICT_ACCEPTED,
                                                     .cpu_us = 1234,
                                                     .wall_us = 2345,
                                                     .memory_bytes = 3411968,
                                                     .out = STR("42\n") } };
    result_sum_up(r);
    r->finished_us = wall_us();
    return r;
}

static int64_t used(void)
{
    if (db) {
        struct err e;
        if (!db_sync(db, &e))
            die("sync", &e);
        return db_bytes(db);
    }
    struct redis_state state;
    struct err e;
    if (!redis_state(redis, &state, &e))
        die("state", &e);
    return state.memory_bytes;
}

static void admit(char id[TOKEN_TEXT])
{
    struct err e;
    struct job *job = job_made();
    if (store_admit(store, job, NULL, id, &e) != GOT_ONE)
        die("admit", &e);
    if (queue && !queue_push(queue, &(struct queue_entry){ .id = id, .priority = 1 }, &e))
        die("push", &e);
    job_free(job);
}

static void finished(UNUSED void *arg, enum got won, const struct err *e)
{
    if (won != GOT_ONE)
        die("finish", e);
    sem_post(&told);
}

static void open_all(const char *where)
{
    struct err e = { 0 };
    struct store_config config = { 0 };
    if (strstr(where, "://")) {
        redis = redis_open(&(struct redis_config){ .url = where }, &e);
        struct redis_reply *emptied = redis ? redis_words(redis, &e, "FLUSHALL") : NULL;
        store = emptied ? store_redis_open(redis, "room", &config, &e) : NULL;
        redis_reply_free(emptied);
    } else {
        char path[600];
        snprintf(path, sizeof path, "%s/room.db", where);
        db = db_open(path, &e);
        store = db ? store_sqlite_open(db, &config, &e) : NULL;
        queue = store ? queue_sqlite_open(db, &(struct queue_config){ .lease_us = US_PER_S }, &e)
                      : NULL;
    }
    if (!store || (db && !queue))
        die(where, &e);
}

int main(int argc, char **argv)
{
    int64_t count = 0;
    if (argc != 3 || !parse_int(str_of(argv[1]), &count) || count < 1)
        return fprintf(stderr, "usage: room COUNT FOLDER|redis://...\n"), 2;
    open_all(argv[2]);
    sem_init(&told, 0, 0);
    char(*ids)[TOKEN_TEXT] = calloc((size_t)count, sizeof *ids);
    CHECK(ids);

    struct err e;
    int64_t empty = used();
    for (int64_t i = 0; i < count; i++) {
        admit(ids[i]);
        if ((i % STEP == STEP - 1 || i == count - 1) && !store_sync(store, &e))
            die("sync", &e);
    }
    int64_t queued = used();
    for (int64_t i = 0; i < count; i++) {
        struct result *r = result_made();
        store_finish(store, ids[i], NULL, r, finished, NULL);
        result_free(r);
        if (i % STEP == STEP - 1 || i == count - 1)
            for (int64_t k = 0; k <= i % STEP; k++)
                sem_wait(&told);
    }
    printf("%lld jobs: %lld bytes each while queued, %lld finished\n", (long long)count,
           (long long)((queued - empty) / count), (long long)((used() - empty) / count));
    return 0;
}
