/* SPDX-License-Identifier: Apache-2.0 */
/* The bus between processes: two of them in one program, each with a connection of its own. What
 * every bus promises is in ../contract/bus_contract.c. */
#include "../unit/test.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "../redis_world.h"
#include "base/clock.h"
#include "drivers/redis.h"
#include "redis/cluster.h"

struct process {
    struct redis *redis;
    struct bus *bus;
};

static void process_start(struct process *p, const char *url, const char *prefix)
{
    struct err e = { 0 };
    MUST(p->redis = redis_open(&(struct redis_config){ .url = url, .timeout_us = US_PER_S }, &e));
    MUST(p->bus = bus_redis_open(p->redis, prefix, &e));
}

static void process_end(struct process *p)
{
    bus_close(p->bus);
    redis_close(p->redis);
}

struct ear {
    _Atomic int calls, again;
    _Atomic int last;
    char id[64], data[64];
};

static void hear(void *arg, const char *id, enum bus_event event, struct str data)
{
    struct ear *ear = arg;
    if (event == BUS_AGAIN) {
        atomic_fetch_add(&ear->again, 1);
        return;
    }
    snprintf(ear->id, sizeof ear->id, "%s", id);
    snprintf(ear->data, sizeof ear->data, "%.*s", STR_FMT(data));
    atomic_store(&ear->last, (int)event);
    atomic_fetch_add(&ear->calls, 1);
}

static void wait_for(_Atomic int *what, int least)
{
    int64_t deadline = mono_us() + 20 * US_PER_S;
    while (atomic_load(what) < least && mono_us() < deadline)
        usleep(500);
    assert_true(atomic_load(what) >= least);
}

TEST(a_nudge_reaches_watches_of_other_processes_and_its_own_once)
{
    struct process a, b, other;
    struct ear here = { 0 }, there = { 0 }, all = { 0 }, elsewhere = { 0 };
    process_start(&a, redis_shared()->url, "one");
    process_start(&b, redis_shared()->url, "one");
    process_start(&other, redis_shared()->url, "two");
    struct bus_watch *w1 = bus_watch(a.bus, "id", hear, &here);
    struct bus_watch *w2 = bus_watch(b.bus, "id", hear, &there);
    struct bus_watch *w3 = bus_watch(b.bus, NULL, hear, &all);
    struct bus_watch *w4 = bus_watch(other.bus, NULL, hear, &elsewhere);
    bus_announce_data(a.bus, "id", BUS_TEST, STR("{\"n\":1}\n2"));
    assert_int_equal(here.calls, 1);
    wait_for(&there.calls, 1);
    assert_int_equal(there.last, BUS_TEST);
    assert_string_equal(there.id, "id");
    assert_string_equal(there.data, "{\"n\":1}\n2");
    bus_announce(a.bus, "another", BUS_FINISHED);
    wait_for(&all.calls, 2);
    assert_int_equal(there.calls, 1);
    /* What came back to a came before this from b. */
    bus_announce(b.bus, "id", BUS_CANCEL);
    wait_for(&here.calls, 2);
    assert_int_equal(here.calls, 2);
    assert_int_equal(elsewhere.calls, 0);
    bus_unwatch(a.bus, w1);
    bus_unwatch(b.bus, w2);
    bus_unwatch(b.bus, w3);
    bus_unwatch(other.bus, w4);
    process_end(&a);
    process_end(&b);
    process_end(&other);
}

TEST(after_an_absence_everybody_is_told_to_look_again)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    struct process a;
    struct ear ear = { 0 };
    redis_server_start(&s, NULL);
    process_start(&a, s.url, NULL);
    struct bus_watch *w = bus_watch(a.bus, "id", hear, &ear);
    redis_server_stop(&s, SIGKILL);
    bus_announce(a.bus, "id", BUS_FINISHED); /* inside the process all goes on */
    assert_int_equal(ear.calls, 1);
    redis_server_go_on(&s);
    wait_for(&ear.again, 1);
    bus_unwatch(a.bus, w);
    process_end(&a);
}

TEST(a_flood_is_dropped_and_the_others_look_again)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    struct process a, b;
    struct ear ear = { 0 };
    redis_server_start(&s, NULL);
    process_start(&a, s.url, NULL);
    process_start(&b, s.url, NULL);
    struct bus_watch *w = bus_watch(b.bus, "id", hear, &ear);
    redis_server_stop(&s, SIGSTOP);
    for (int i = 0; i < 100000; i++)
        bus_announce(a.bus, "id", BUS_CHANGED);
    redis_server_stop(&s, SIGCONT);
    wait_for(&ear.again, 1);
    assert_in_range(ear.calls, 0, 99999);
    bus_unwatch(b.bus, w);
    process_end(&a);
    process_end(&b);
}

TEST(what_others_publish_there_does_no_harm)
{
    struct process a;
    struct ear ear = { 0 };
    static const char *const texts[] = { "x",          "x 1",        "x 1 id",   "x y id\\n",
                                         "x 99 id\\n", "x -1 id\\n", "  \\n\\n", "x  id\\n" };
    process_start(&a, redis_shared()->url, "odd");
    struct bus_watch *w = bus_watch(a.bus, NULL, hear, &ear);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct err e = { 0 };
        struct redis_reply *r = redis_words(a.redis, &e, "PUBLISH", "{odd}:bus", texts[i]);
        MUST(r);
        redis_reply_free(r);
    }
    struct err e = { 0 };
    struct redis_reply *r = redis_words(a.redis, &e, "PUBLISH", "{odd}:bus", "x 1 id\ndata");
    MUST(r);
    redis_reply_free(r);
    wait_for(&ear.calls, 1);
    assert_int_equal(ear.calls, 1);
    assert_string_equal(ear.data, "data");
    bus_unwatch(a.bus, w);
    process_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_nudge_reaches_watches_of_other_processes_and_its_own_once),
        T(after_an_absence_everybody_is_told_to_look_again),
        T(a_flood_is_dropped_and_the_others_look_again),
        T(what_others_publish_there_does_no_harm),
    };
    if (!redis_is_here()) {
        print_message("redis-server is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
