/* SPDX-License-Identifier: Apache-2.0 */
/* A primary, its replica and a Sentinel: the driver follows when the replica takes over. */
#include "../unit/test.h"
#include "insist.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "../redis_world.h"
#include "base/clock.h"
#include "drivers/redis.h"

static struct redis *open_redis(const char *url, int64_t timeout_us, int replicas)
{
    struct err e = { 0 };
    struct redis_config config = { url, timeout_us, replicas };
    struct redis *r = redis_open(&config, &e);
    MUST(r);
    return r;
}

struct heard {
    _Atomic int messages, gaps;
};

static void hear(void *arg, UNUSED struct str text)
{
    atomic_fetch_add(&((struct heard *)arg)->messages, 1);
}

static void hear_gap(void *arg)
{
    atomic_fetch_add(&((struct heard *)arg)->gaps, 1);
}

static void wait_heard(_Atomic int *what, int count)
{
    int64_t deadline = mono_us() + 20 * US_PER_S;
    while (atomic_load(what) < count && mono_us() < deadline)
        usleep(500);
    assert_true(atomic_load(what) >= count);
}

static struct redis_reply *pop(struct redis_line *l, struct err *e)
{
    struct str words[] = { STR("BLPOP"), STR("line"), STR("0.05") };
    return redis_line_ask(l, &(struct redis_call){ .words = words, .count = 3 }, 50 * US_PER_MS, e);
}

TEST(everybody_follows_to_the_new_primary)
{
    CLEANUP(redis_sentinel_done) struct redis_sentinel w = { 0 };
    redis_sentinel_start(&w);
    CLEANUP(redis_close) struct redis *r = open_redis(w.url, 3 * US_PER_S, 1);
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    struct heard h = { 0 };
    struct err e = { 0 };
    struct redis_ear *ear = redis_listen(r, "news", hear, hear_gap, &h, &e);
    MUST(ear);
    assert_int_equal(insist(r, "INCR", "n", NULL), 1);
    struct redis_reply *reply = pop(l, &e);
    MUST(reply);
    redis_reply_free(reply);

    struct str words[] = { STR("INCR"), STR("n") };
    reply = redis_ask_kept(r, &(struct redis_call){ .words = words, .count = 2 }, &e);
    MUST(reply);
    redis_reply_free(reply);
    assert_string_equal(redis_say(&w.replica, "GET n"), "2");

    redis_sentinel_fail_over(&w);
    assert_int_equal(insist(r, "INCR", "n", NULL), 3);
    int64_t deadline = mono_us() + 20 * US_PER_S;
    while (!(reply = pop(l, &e)) && mono_us() < deadline)
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
    MUST(reply);
    redis_reply_free(reply);
    wait_heard(&h.gaps, 1);
    assert_int_equal(insist(r, "PUBLISH", "news", "x"), 1);
    wait_heard(&h.messages, 1);

    /* The replica is gone: what must be kept by one is not. */
    reply = redis_ask_kept(r, &(struct redis_call){ .words = words, .count = 2 }, &e);
    assert_null(reply);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    redis_deafen(ear);
}

/* The old primary hangs instead of dying: connections to it stand, but nobody answers. */
TEST(a_primary_that_hangs_is_left)
{
    CLEANUP(redis_sentinel_done) struct redis_sentinel w = { 0 };
    redis_sentinel_start(&w);
    CLEANUP(redis_close) struct redis *r = open_redis(w.url, 500 * US_PER_MS, 0);
    struct heard h = { 0 };
    struct err e = { 0 };
    struct redis_ear *ear = redis_listen(r, "news", hear, hear_gap, &h, &e);
    MUST(ear);
    /* Not INCR: on a slow machine an answer may come too late, and the command is sent again. */
    (void)insist(r, "SADD", "s", "before");
    redis_say_until(&w.replica, "1", "SCARD s");
    redis_server_stop(&w.primary, SIGSTOP);
    redis_say_until(&w.replica, "role:master", "INFO replication");
    (void)insist(r, "SADD", "s", "after");
    assert_string_equal(redis_say(&w.replica, "SISMEMBER s after"), "1");
    wait_heard(&h.gaps, 1);
    assert_int_equal(insist(r, "PUBLISH", "news", "x"), 1);
    redis_deafen(ear);
}

/* It comes back as a replica and says READONLY. */
TEST(a_primary_that_became_a_replica_is_left)
{
    CLEANUP(redis_sentinel_done) struct redis_sentinel w = { 0 };
    redis_sentinel_start(&w);
    CLEANUP(redis_close) struct redis *r = open_redis(w.url, US_PER_S, 0);
    assert_int_equal(insist(r, "INCR", "n", NULL), 1);
    redis_say_until(&w.replica, "1", "GET n");
    redis_say_until(&w.sentinel, "OK",
                    "SENTINEL FAILOVER jobs"); /* once it knows the replica well */
    redis_say_until(&w.replica, "role:master", "INFO replication");
    redis_say_until(&w.primary, "role:slave", "INFO replication");
    assert_int_equal(insist(r, "INCR", "n", NULL), 2);
    assert_string_equal(redis_say(&w.replica, "GET n"), "2");
}

TEST(a_sentinel_that_is_away_or_ignorant_is_passed_over)
{
    CLEANUP(redis_sentinel_done) struct redis_sentinel w = { 0 };
    char url[200];
    redis_sentinel_start(&w);
    snprintf(url, sizeof url, "redis+sentinel://127.0.0.1:1,127.0.0.1:%d,127.0.0.1:%d/jobs/2",
             w.primary.port, w.sentinel.port);
    CLEANUP(redis_close) struct redis *r = open_redis(url, 5 * US_PER_S, 0);
    assert_int_equal(insist(r, "INCR", "n", NULL), 1);

    snprintf(url, sizeof url, "redis+sentinel://127.0.0.1:%d/nobody", w.sentinel.port);
    CLEANUP(redis_close) struct redis *none = open_redis(url, 300 * US_PER_MS, 0);
    struct err e = { 0 };
    assert_null(redis_words(none, &e, "PING"));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "nobody"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(everybody_follows_to_the_new_primary),
        T(a_primary_that_hangs_is_left),
        T(a_primary_that_became_a_replica_is_left),
        T(a_sentinel_that_is_away_or_ignorant_is_passed_over),
    };
    if (!redis_is_here() || access("/usr/bin/redis-sentinel", X_OK) != 0) {
        print_message("redis-server or redis-sentinel is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
