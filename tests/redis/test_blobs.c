/* SPDX-License-Identifier: Apache-2.0 */
/* The shared cache: what it keeps, what it forgets, who makes a blob, and a Redis that is away. */
#include "../unit/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../redis_world.h"
#include "base/clock.h"
#include "base/hash.h"
#include "drivers/blobs.h"
#include "drivers/redis.h"

static struct redis *open_redis(const char *url)
{
    struct err e = { 0 };
    struct redis *r = redis_open(&(struct redis_config){ .url = url }, &e);
    MUST(r);
    return r;
}

static struct blobs_config config_of(const char *kind, int64_t bytes_max, int64_t blob_max)
{
    return (struct blobs_config){
        .prefix = "t", .kind = kind, .bytes_max = bytes_max, .blob_max = blob_max
    };
}

/* A handle on the shared server, which is emptied. */
struct world {
    struct redis *redis;
    struct blobs *blobs;
};

static void world_open(struct world *w, int64_t bytes_max, int64_t blob_max)
{
    redis_say(redis_shared(), "FLUSHALL");
    w->redis = open_redis(redis_shared()->url);
    struct blobs_config config = config_of("artifact", bytes_max, blob_max);
    w->blobs = blobs_open(w->redis, &config);
}

static void world_close(struct world *w)
{
    blobs_close(w->blobs);
    redis_close(w->redis);
}
CLEANUP_FOR_STRUCT(struct world, world_close)

/* Bytes that do not get smaller; the same for the same seed. */
static void noise(struct buf *out, size_t len, uint64_t seed)
{
    char *at = buf_reserve(out, len);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        at[i] = (char)(seed >> 56);
    }
    out->len += len;
}

static void put_noise(struct blobs *b, const char *key, size_t len, uint64_t seed)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    noise(&bytes, len, seed);
    blobs_put(b, key, buf_str(&bytes));
}

static bool has(struct blobs *b, const char *key)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    return blobs_get(b, key, &out);
}

TEST(what_was_put_comes_back_byte_for_byte)
{
    static const size_t sizes[] = { 0, 1, 100, 65536, 3 << 20 };
    CLEANUP(world_close) struct world w;
    world_open(&w, 64 << 20, 8 << 20);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        CLEANUP(buf_done) struct buf bytes = { 0 };
        CLEANUP(buf_done) struct buf out = { 0 };
        noise(&bytes, sizes[i], i);
        blobs_put(w.blobs, "key", buf_str(&bytes));
        buf_add_text(&out, "before:");
        assert_true(blobs_get(w.blobs, "key", &out));
        assert_int_equal(out.len, sizes[i] + 7);
        assert_memory_equal(out.ptr, "before:", 7);
        assert_memory_equal(out.ptr + 7, buf_str(&bytes).ptr, sizes[i]);
    }
    assert_false(has(w.blobs, "none"));
    struct blobs_stats stats;
    blobs_stats(w.blobs, &stats);
    assert_int_equal(stats.hits, COUNT_OF(sizes));
    assert_int_equal(stats.misses, 1);
    assert_int_equal(stats.puts, COUNT_OF(sizes));
    assert_int_equal(stats.count, 1);
    assert_in_range(stats.bytes, 3 << 20, (3 << 20) + 1000);
}

TEST(text_is_kept_small)
{
    CLEANUP(world_close) struct world w;
    world_open(&w, 64 << 20, 8 << 20);
    CLEANUP(buf_done) struct buf text = { 0 };
    for (int i = 0; i < 20000; i++)
        buf_addf(&text, "line %d of a text\n", i);
    blobs_put(w.blobs, "text", buf_str(&text));
    assert_true(has(w.blobs, "text"));
    struct blobs_stats stats;
    blobs_stats(w.blobs, &stats);
    assert_true(stats.bytes * 4 < (int64_t)text.len);
}

TEST(the_bound_holds_and_the_least_recently_used_goes_first)
{
    enum { ONE = 10000, ROOM = 12 };
    CLEANUP(world_close) struct world w;
    /* One shard: room for a dozen. */
    world_open(&w, ONE * ROOM + 2000, ONE * 4);
    char key[16];
    for (int i = 0; i < 60; i++) {
        struct blobs_stats stats;
        snprintf(key, sizeof key, "k%d", i);
        put_noise(w.blobs, key, ONE, (uint64_t)i);
        if (i >= 1)
            assert_true(has(w.blobs, "k0")); /* used again and again */
        blobs_stats(w.blobs, &stats);
        assert_in_range(stats.bytes, ONE, ONE * ROOM + 2000);
        assert_int_equal(stats.count, MIN(i + 1, ROOM));
    }
    assert_true(has(w.blobs, "k0"));
    assert_true(has(w.blobs, "k59"));
    assert_false(has(w.blobs, "k40"));
    /* The server says the same as the index. */
    assert_int_equal(redis_say_int(redis_shared(), "DBSIZE"), ROOM + 2);
}

TEST(a_blob_put_again_counts_once)
{
    CLEANUP(world_close) struct world w;
    world_open(&w, 64 << 20, 8 << 20);
    for (int i = 0; i < 10; i++)
        put_noise(w.blobs, "k", 1000 + (size_t)i * 100, (uint64_t)i);
    struct blobs_stats stats;
    blobs_stats(w.blobs, &stats);
    assert_int_equal(stats.count, 1);
    assert_in_range(stats.bytes, 1900, 2000);
}

TEST(many_shards_keep_the_bound_together)
{
    enum { ONE = 5000, BOUND = ONE * 16 * 5 };
    CLEANUP(world_close) struct world w;
    world_open(&w, BOUND, ONE + 200);
    char key[16];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%d", i);
        put_noise(w.blobs, key, ONE, (uint64_t)i);
    }
    assert_true(has(w.blobs, "k299"));
    struct blobs_stats stats;
    blobs_stats(w.blobs, &stats);
    assert_in_range(stats.bytes, BOUND / 2, BOUND);
}

TEST(too_large_a_blob_is_not_kept)
{
    CLEANUP(world_close) struct world w;
    world_open(&w, 64 << 20, 10000);
    put_noise(w.blobs, "large", 20000, 1);
    assert_false(has(w.blobs, "large"));
    assert_int_equal(redis_say_int(redis_shared(), "DBSIZE"), 0);
}

TEST(what_nobody_uses_for_its_time_is_gone)
{
    CLEANUP(world_close) struct world w;
    world_open(&w, 64 << 20, 8 << 20);
    struct blobs_config config = config_of("brief", 1 << 20, 1 << 18);
    config.ttl_us = 200 * US_PER_MS;
    CLEANUP(blobs_close) struct blobs *b = blobs_open(w.redis, &config);
    put_noise(b, "old", 1000, 1);
    assert_true(has(b, "old"));
    while (has(w.blobs, "x") || redis_say_int(redis_shared(), "EXISTS {t:blob:brief:0}:b:old"))
        usleep(5000);
    assert_false(has(b, "old"));
    put_noise(b, "new", 1000, 1);
    struct blobs_stats stats;
    blobs_stats(b, &stats);
    assert_int_equal(stats.count, 1);
}

TEST(a_damaged_blob_is_a_miss_and_goes)
{
    static const char *const damages[] = { "SETRANGE {t:blob:artifact:0}:b:k 500 damaged",
                                           "APPEND {t:blob:artifact:0}:b:k x",
                                           "SET {t:blob:artifact:0}:b:k nonsense",
                                           "SETRANGE {t:blob:artifact:0}:b:k 0 x" };
    CLEANUP(world_close) struct world w;
    world_open(&w, 1 << 20, 1 << 19);
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        put_noise(w.blobs, "k", 5000, 7);
        assert_true(has(w.blobs, "k"));
        redis_say(redis_shared(), "%s", damages[i]);
        CLEANUP(buf_done) struct buf out = { 0 };
        buf_add_text(&out, "kept");
        if (blobs_get(w.blobs, "k", &out))
            fail_msg("%s", damages[i]);
        assert_string_equal(out.ptr, "kept");
        struct blobs_stats stats;
        blobs_stats(w.blobs, &stats);
        assert_int_equal(stats.damaged, i + 1);
        assert_int_equal(stats.count, 0);
        assert_int_equal(stats.bytes, 0);
    }
}

/* ---- claims ---- */

enum { LONG_US = 20 * 1000000 };

TEST(one_claims_and_the_others_get_what_it_made)
{
    enum { OTHERS = 4 };
    CLEANUP(world_close) struct world w;
    world_open(&w, 64 << 20, 8 << 20);
    struct redis *redis = open_redis(redis_shared()->url);
    struct blobs_config config = config_of("artifact", 64 << 20, 8 << 20);
    struct blobs *other = blobs_open(redis, &config);
    assert_int_equal(blobs_claim(w.blobs, "k", LONG_US, 0), BLOBS_MINE);
    assert_int_equal(blobs_claim(other, "k", LONG_US, 0), BLOBS_ALONE);
    assert_int_equal(blobs_claim(other, "another", LONG_US, 0), BLOBS_MINE);
    blobs_release(other, "another");
    put_noise(w.blobs, "k", 1000, 1);
    assert_int_equal(blobs_claim(other, "k", LONG_US, LONG_US), BLOBS_THERE);
    assert_true(has(other, "k"));
    blobs_close(other);
    redis_close(redis);
}

struct builder {
    struct blobs *blobs;
    _Atomic int *built, *building;
    bool fails;
    pthread_t thread;
};

static void *build(void *arg)
{
    struct builder *x = arg;
    for (;;) {
        enum blobs_claim got = blobs_claim(x->blobs, "k", LONG_US, LONG_US);
        if (got == BLOBS_THERE)
            return NULL;
        assert_int_equal(got, BLOBS_MINE);
        assert_int_equal(atomic_fetch_add(x->building, 1), 0);
        usleep(30000);
        atomic_fetch_sub(x->building, 1);
        if (!x->fails) {
            atomic_fetch_add(x->built, 1);
            put_noise(x->blobs, "k", 1000, 1);
            return NULL;
        }
        blobs_release(x->blobs, "k"); /* it did not compile: somebody else's turn */
        x->fails = false;
    }
}

TEST(equal_builds_at_one_time_run_once)
{
    enum { BUILDERS = 6 };
    _Atomic int built = 0, building = 0;
    struct world w[BUILDERS];
    struct builder builders[BUILDERS];
    for (int i = 0; i < BUILDERS; i++)
        world_open(&w[i], 64 << 20, 8 << 20);
    for (int i = 0; i < BUILDERS; i++) {
        builders[i] = (struct builder){ w[i].blobs, &built, &building, i < 2, 0 };
        pthread_create(&builders[i].thread, NULL, build, &builders[i]);
    }
    for (int i = 0; i < BUILDERS; i++)
        pthread_join(builders[i].thread, NULL);
    for (int i = 0; i < BUILDERS; i++)
        world_close(&w[i]);
    assert_int_equal(built, 1);
}

TEST(a_claim_is_renewed_while_its_process_lives)
{
    CLEANUP(world_close) struct world w;
    CLEANUP(world_close) struct world other;
    world_open(&w, 64 << 20, 8 << 20);
    world_open(&other, 64 << 20, 8 << 20);
    int64_t start = mono_us();
    assert_int_equal(blobs_claim(w.blobs, "k", US_PER_S, 0), BLOBS_MINE);
    assert_int_equal(blobs_claim(other.blobs, "k", US_PER_S, 2500 * US_PER_MS), BLOBS_ALONE);
    assert_in_range(mono_us() - start, 2400 * US_PER_MS, 20 * US_PER_S);
    blobs_release(w.blobs, "k");
    assert_int_equal(blobs_claim(other.blobs, "k", US_PER_S, US_PER_S), BLOBS_MINE);
}

TEST(a_claim_is_taken_over_after_its_holder_s_death)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    CLEANUP(world_close) struct world w;
    redis_shared();
    pid_t pid = fork(); /* before this process has threads of the driver */
    if (pid == 0) {
        struct err e = { 0 };
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct redis *r = redis_open(&(struct redis_config){ .url = redis_shared()->url }, &e);
        struct blobs_config config = config_of("artifact", 64 << 20, 8 << 20);
        struct blobs *b = blobs_open(r, &config);
        while (blobs_claim(b, "dead", 400 * US_PER_MS, 0) != BLOBS_MINE)
            usleep(1000);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    char byte;
    w.redis = open_redis(redis_shared()->url);
    struct blobs_config config = config_of("artifact", 64 << 20, 8 << 20);
    w.blobs = blobs_open(w.redis, &config);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(blobs_claim(w.blobs, "dead", LONG_US, 0), BLOBS_ALONE);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(blobs_claim(w.blobs, "dead", LONG_US, LONG_US), BLOBS_MINE);
    blobs_release(w.blobs, "dead");
    close(ready[0]);
    close(ready[1]);
}

/* ---- Redis away ---- */

static int64_t time_of_gets(struct blobs *b, int count)
{
    int64_t start = mono_us();
    for (int i = 0; i < count; i++)
        assert_false(has(b, "k"));
    return mono_us() - start;
}

TEST(a_redis_that_is_away_costs_no_time)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url);
    struct blobs_config config = config_of("artifact", 64 << 20, 8 << 20);
    CLEANUP(blobs_close) struct blobs *b = blobs_open(r, &config);
    put_noise(b, "k", 1000, 1);
    assert_true(has(b, "k"));
    assert_int_equal(blobs_claim(b, "mine", 500 * US_PER_MS, 0), BLOBS_MINE);

    redis_server_stop(&s, SIGSTOP); /* it hangs: the first one waits a second, then nobody */
    assert_in_range(time_of_gets(b, 1000), 0, 3 * US_PER_S);
    int64_t start = mono_us();
    assert_int_equal(blobs_claim(b, "other", US_PER_S, LONG_US), BLOBS_ALONE);
    put_noise(b, "k2", 1000, 1);
    assert_in_range(mono_us() - start, 0, 2 * US_PER_S);

    redis_server_stop(&s, SIGKILL);
    assert_in_range(time_of_gets(b, 1000), 0, 3 * US_PER_S);
    blobs_release(b, "mine");
    struct blobs_stats stats;
    blobs_stats(b, &stats);
    assert_int_equal(stats.bytes, -1);
    assert_int_equal(stats.count, -1);

    redis_server_go_on(&s);
    int64_t deadline = mono_us() + 20 * US_PER_S;
    put_noise(b, "k", 1000, 1);
    while (!has(b, "k") && mono_us() < deadline) {
        put_noise(b, "k", 1000, 1);
        usleep(10000);
    }
    assert_true(has(b, "k"));
}

TEST(a_full_redis_is_a_miss)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url);
    struct blobs_config config = config_of("artifact", 64 << 20, 8 << 20);
    CLEANUP(blobs_close) struct blobs *b = blobs_open(r, &config);
    redis_say(&s, "CONFIG SET maxmemory 1");
    put_noise(b, "k", 1000, 1);
    assert_false(has(b, "k"));
    assert_int_equal(blobs_claim(b, "k", US_PER_S, 0), BLOBS_ALONE);
    redis_say(&s, "CONFIG SET maxmemory 0");
    put_noise(b, "k", 1000, 1);
    assert_true(has(b, "k"));
}

static struct redis_cluster cluster;

TEST(a_cluster_keeps_blobs_too)
{
    redis_cluster_start(&cluster);
    struct redis *r = open_redis(cluster.url);
    struct blobs_config config = config_of("artifact", 64 << 20, 1 << 18);
    struct blobs *b = blobs_open(r, &config);
    while (!has(b, "ready")) {
        put_noise(b, "ready", 10, 1);
        usleep(1000);
    }
    char key[16];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(blobs_claim(b, key, US_PER_S, 0), BLOBS_MINE);
        put_noise(b, key, 1000, (uint64_t)i);
        assert_true(has(b, key));
        assert_int_equal(blobs_claim(b, key, US_PER_S, 0), BLOBS_THERE);
    }
    for (int i = 0; i < 3; i++)
        assert_true(redis_say_int(&cluster.nodes[i], "DBSIZE") > 0);
    blobs_close(b);
    redis_close(r);
    redis_cluster_done(&cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_claim_is_taken_over_after_its_holder_s_death),
        T(what_was_put_comes_back_byte_for_byte),
        T(text_is_kept_small),
        T(the_bound_holds_and_the_least_recently_used_goes_first),
        T(a_blob_put_again_counts_once),
        T(many_shards_keep_the_bound_together),
        T(too_large_a_blob_is_not_kept),
        T(what_nobody_uses_for_its_time_is_gone),
        T(a_damaged_blob_is_a_miss_and_goes),
        T(one_claims_and_the_others_get_what_it_made),
        T(equal_builds_at_one_time_run_once),
        T(a_claim_is_renewed_while_its_process_lives),
        T(a_redis_that_is_away_costs_no_time),
        T(a_full_redis_is_a_miss),
        T(a_cluster_keeps_blobs_too),
    };
    if (!redis_is_here()) {
        print_message("redis-server is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
