/* SPDX-License-Identifier: Apache-2.0 */
#include "service/result_cache.h"

#include <pthread.h>
#include <sys/queue.h>

#include "base/map.h"
#include "drivers/blobs.h"

TAILQ_HEAD(entries, entry);

struct entry {
    TAILQ_ENTRY(entry) use; /* the one used last is first */
    char key[HASH_TEXT];
    struct buf json; /* the stored form of the result */
};

struct result_cache {
    int64_t bytes_max;
    struct blobs *shared;

    pthread_mutex_t lock;
    /* under lock */
    struct map keys;
    struct entries entries;
    struct result_cache_stats stats;
};

struct result_cache *result_cache_new(int64_t bytes_max, struct blobs *shared)
{
    struct result_cache *c = calloc(1, sizeof *c);
    CHECK(c);
    c->bytes_max = bytes_max;
    c->shared = shared;
    TAILQ_INIT(&c->entries);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static int64_t cost(const struct entry *x)
{
    return (int64_t)(sizeof *x + x->json.capacity);
}

/* With the lock. */
static void drop(struct result_cache *c, struct entry *x)
{
    map_take(&c->keys, x->key);
    TAILQ_REMOVE(&c->entries, x, use);
    c->stats.bytes -= cost(x);
    c->stats.count--;
    buf_done(&x->json);
    free(x);
}

void result_cache_free(struct result_cache *c)
{
    if (!c)
        return;
    while (!TAILQ_EMPTY(&c->entries))
        drop(c, TAILQ_FIRST(&c->entries));
    map_done(&c->keys);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- what is equal, and what is kept ---- */

static bool asked_for(const struct job *job)
{
    return job->cache == CACHE_RESULT && !job->network;
}

static void key_of(const struct job *job, const char *toolchain, char out[HASH_TEXT])
{
    char work[HASH_TEXT];
    job_work_hash(job, work);
    struct hash *h = hash_new();
    hash_add(h, STR("result 1")); /* another number when a result means something else */
    hash_add(h, str_of(toolchain ? toolchain : ""));
    hash_add(h, str_of(work));
    hash_finish(h, out);
}

static bool would_come_again(const struct outcome *o)
{
    switch (o->verdict) {
    case VERDICT_ACCEPTED:
    case VERDICT_WRONG_ANSWER:
    case VERDICT_COMPILE_ERROR:
    case VERDICT_SKIPPED:
        return true;
    case VERDICT_RUNTIME_ERROR:
        return o->signal == 0;
    case VERDICT_NONE:
    case VERDICT_CPU_TIME_LIMIT:
    case VERDICT_WALL_TIME_LIMIT:
    case VERDICT_MEMORY_LIMIT:
    case VERDICT_OUTPUT_LIMIT:
    case VERDICT_CHECKER_ERROR:
    case VERDICT_CANCELLED:
    case VERDICT_INTERNAL_ERROR:
    case VERDICT_COUNT:
    default:
        return false;
    }
}

static bool is_one_to_keep(const struct result *r)
{
    if (r->reused)
        return false;
    if (r->verdict == VERDICT_COMPILE_ERROR)
        return r->compile.limit == NULL && r->compile.signal == 0;
    for (size_t i = 0; i < r->test_count; i++)
        if (!would_come_again(&r->tests[i].outcome))
            return false;
    return r->test_count > 0;
}

/* ---- in and out ---- */

static void put_local(struct result_cache *c, const char *key, struct str json)
{
    struct entry *x = calloc(1, sizeof *x);
    CHECK(x);
    memcpy(x->key, key, sizeof x->key);
    buf_add_str(&x->json, json);
    if (cost(x) > c->bytes_max) {
        buf_done(&x->json);
        free(x);
        return;
    }
    pthread_mutex_lock(&c->lock);
    struct entry *old = map_get(&c->keys, key);
    if (old)
        drop(c, old);
    map_put(&c->keys, x->key, x);
    TAILQ_INSERT_HEAD(&c->entries, x, use);
    c->stats.bytes += cost(x);
    c->stats.count++;
    while (c->stats.bytes > c->bytes_max)
        drop(c, TAILQ_LAST(&c->entries, entries));
    pthread_mutex_unlock(&c->lock);
}

static bool get_local(struct result_cache *c, const char *key, struct buf *out)
{
    pthread_mutex_lock(&c->lock);
    struct entry *x = map_get(&c->keys, key);
    if (x) {
        TAILQ_REMOVE(&c->entries, x, use);
        TAILQ_INSERT_HEAD(&c->entries, x, use);
        buf_add_str(out, buf_str(&x->json));
    }
    pthread_mutex_unlock(&c->lock);
    return x != NULL;
}

static bool get_shared(struct result_cache *c, const char *key, struct buf *out)
{
    if (!c->shared || !blobs_get(c->shared, key, out))
        return false;
    put_local(c, key, buf_str(out));
    return true;
}

static struct result *read_result(struct str text)
{
    struct err ignored; /* of another version: as good as none */
    CLEANUP(json_free) struct json *json = json_parse(text, &ignored);
    struct result *r = json ? result_from_json(json, &ignored) : NULL;
    if (r)
        r->reused = true;
    return r;
}

struct result *result_cache_get(struct result_cache *c, const struct job *job,
                                const char *toolchain)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    char key[HASH_TEXT];
    if (!asked_for(job))
        return NULL;
    key_of(job, toolchain, key);
    bool found = get_local(c, key, &text) || get_shared(c, key, &text);
    struct result *r = found ? read_result(buf_str(&text)) : NULL;
    pthread_mutex_lock(&c->lock);
    if (r)
        c->stats.hits++;
    else
        c->stats.misses++;
    pthread_mutex_unlock(&c->lock);
    return r;
}

void result_cache_put(struct result_cache *c, const struct job *job, const char *toolchain,
                      const struct result *result)
{
    if (!asked_for(job) || !is_one_to_keep(result))
        return;
    CLEANUP(buf_done) struct buf text = { 0 };
    char key[HASH_TEXT];
    key_of(job, toolchain, key);
    result_to_json(result, &text);
    put_local(c, key, buf_str(&text));
    if (c->shared)
        blobs_put(c->shared, key, buf_str(&text));
}

void result_cache_stats(struct result_cache *c, struct result_cache_stats *ret)
{
    pthread_mutex_lock(&c->lock);
    *ret = c->stats;
    pthread_mutex_unlock(&c->lock);
}
