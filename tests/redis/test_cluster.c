/* SPDX-License-Identifier: Apache-2.0 */
/* Six nodes: the driver finds its way by the map, by MOVED and by ASK, and around a dead node. */
#include "../unit/test.h"
#include "insist.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "../redis_world.h"
#include "base/clock.h"
#include "drivers/redis_internal.h"

static struct redis_cluster world;

static struct redis *open_redis(const char *url, int64_t timeout_us)
{
    struct err e = { 0 };
    struct redis_config config = { .url = url, .timeout_us = timeout_us };
    struct redis *r = redis_open(&config, &e);
    MUST(r);
    return r;
}

static int64_t number(struct redis *r, const char *a, const char *b, const char *c)
{
    struct err e = { 0 };
    CLEANUP(redis_reply_free) struct redis_reply *reply = redis_words(r, &e, a, b, c);
    MUST(reply);
    return redis_int(reply);
}

static struct redis_script add = { "add", "return redis.call('INCRBY', KEYS[1], ARGV[1])", "" };

static int64_t run_add(struct redis *r, const char *key, const char *by)
{
    struct err e = { 0 };
    struct str words[] = { str_of(key), str_of(by) };
    struct redis_call call = { .script = &add, .words = words, .count = 2, .keys = 1 };
    CLEANUP(redis_reply_free) struct redis_reply *reply = redis_ask(r, &call, &e);
    MUST(reply);
    return redis_int(reply);
}

TEST(slots_are_those_of_the_specification)
{
    assert_int_equal(key_slot(STR("123456789")), 0x31c3);
    assert_int_equal(key_slot(STR("{user1000}.following")), key_slot(STR("user1000")));
    assert_int_equal(key_slot(STR("foo{}{bar}")), key_slot(STR("foo{}{bar}")));
    assert_int_not_equal(key_slot(STR("foo{}{bar}")), key_slot(STR("bar")));
    assert_int_equal(key_slot(STR("foo{{bar}}zap")), key_slot(STR("{bar")));
    assert_int_equal(key_slot(STR("foo{bar}{zap}")), key_slot(STR("bar")));
    assert_int_equal(key_slot(STR("foo{bar")),
                     redis_say_int(&world.nodes[0], "CLUSTER KEYSLOT foo{bar"));
    assert_int_equal(key_slot(STR("")), 0);
}

TEST(every_key_is_found_by_the_map)
{
    CLEANUP(redis_close) struct redis *r = open_redis(world.url, 10 * US_PER_S);
    for (int i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(number(r, "INCR", key, NULL), 1);
        assert_int_equal(run_add(r, key, "4"), 5);
    }
    int64_t keys = 0;
    for (int i = 0; i < 3; i++)
        keys += redis_say_int(&world.nodes[i], "DBSIZE");
    assert_int_equal(keys, 300);
}

TEST(an_ordinary_url_of_a_node_finds_the_cluster)
{
    for (int i = 0; i < CLUSTER_NODES; i += 4) { /* a primary, a replica */
        CLEANUP(redis_close)
        struct redis *r = open_redis(world.nodes[i].url, 10 * US_PER_S);
        for (int k = 0; k < 50; k++) {
            char key[16];
            snprintf(key, sizeof key, "plain%d-%d", i, k);
            assert_int_equal(number(r, "INCR", key, NULL), 1);
        }
    }
}

/* Send a slot from its owner to another node, stopping in the middle. */
struct move {
    int slot, from, to;
    char from_id[64], to_id[64];
};

static struct move move_begin(int slot)
{
    struct move m = { .slot = slot, .from = redis_cluster_owner(&world, slot) };
    m.to = (m.from + 1) % 3;
    snprintf(m.from_id, sizeof m.from_id, "%s", redis_say(&world.nodes[m.from], "CLUSTER MYID"));
    snprintf(m.to_id, sizeof m.to_id, "%s", redis_say(&world.nodes[m.to], "CLUSTER MYID"));
    struct redis_server *from = &world.nodes[m.from], *to = &world.nodes[m.to];
    assert_string_equal(redis_say(to, "CLUSTER SETSLOT %d IMPORTING %s", slot, m.from_id), "OK");
    assert_string_equal(redis_say(from, "CLUSTER SETSLOT %d MIGRATING %s", slot, m.to_id), "OK");
    return m;
}

static void move_key(const struct move *m, const char *key)
{
    assert_string_equal(redis_say(&world.nodes[m->from], "MIGRATE 127.0.0.1 %d %s 0 5000",
                                  world.nodes[m->to].port, key),
                        "OK");
}

static void move_end(const struct move *m)
{
    redis_say(&world.nodes[m->to], "CLUSTER SETSLOT %d NODE %s", m->slot, m->to_id);
    redis_say(&world.nodes[m->from], "CLUSTER SETSLOT %d NODE %s", m->slot, m->to_id);
    for (int i = 0; i < 3; i++)
        redis_say(&world.nodes[i], "CLUSTER SETSLOT %d NODE %s", m->slot, m->to_id);
}

TEST(keys_are_found_while_their_slot_moves_and_after)
{
    CLEANUP(redis_close) struct redis *r = open_redis(world.url, 10 * US_PER_S);
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    struct str words[] = { STR("INCR"), STR("{moving}b") };
    struct redis_call line_call = { .words = words, .count = 2 };
    struct err e = { 0 };
    assert_int_equal(number(r, "INCR", "{moving}a", NULL), 1);
    assert_int_equal(number(r, "INCR", "{moving}b", NULL), 1);

    struct move m = move_begin(key_slot(STR("moving")));
    move_key(&m, "{moving}a");
    assert_int_equal(number(r, "INCR", "{moving}a", NULL), 2); /* ASK */
    assert_int_equal(number(r, "INCR", "{moving}b", NULL), 2); /* still there */
    assert_int_equal(run_add(r, "{moving}a", "3"), 5);
    move_key(&m, "{moving}b");
    CLEANUP(redis_reply_free) struct redis_reply *asked = redis_line_ask(l, &line_call, 0, &e);
    MUST(asked);
    assert_int_equal(redis_int(asked), 3);
    move_end(&m);
    assert_int_equal(number(r, "INCR", "{moving}a", NULL), 6); /* MOVED */
    assert_int_equal(run_add(r, "{moving}b", "1"), 4);
    CLEANUP(redis_reply_free) struct redis_reply *moved = redis_line_ask(l, &line_call, 0, &e);
    MUST(moved);
    assert_int_equal(redis_int(moved), 5);
}

static void *finish_move(void *arg)
{
    struct move *m = arg;
    usleep(100000); /* the driver is told to try again, some times */
    move_key(m, "{split}b");
    move_end(m);
    return NULL;
}

TEST(a_command_on_keys_that_are_apart_waits_until_they_are_together)
{
    CLEANUP(redis_close) struct redis *r = open_redis(world.url, 20 * US_PER_S);
    assert_int_equal(number(r, "INCR", "{split}a", NULL), 1);
    assert_int_equal(number(r, "INCR", "{split}b", NULL), 1);
    struct move m = move_begin(key_slot(STR("split")));
    move_key(&m, "{split}a");
    pthread_t mover;
    pthread_create(&mover, NULL, finish_move, &m);
    assert_int_equal(number(r, "DEL", "{split}a", "{split}b"), 2);
    pthread_join(mover, NULL);
}

static void count(void *arg, struct redis_reply *reply, UNUSED const struct err *e)
{
    atomic_fetch_add(&((_Atomic int *)arg)[reply ? 0 : 1], 1);
    redis_reply_free(reply);
}

TEST(a_storm_over_moving_slots_is_answered_whole)
{
    enum { SENDS = 20000 };
    CLEANUP(redis_close) struct redis *r = open_redis(world.url, 20 * US_PER_S);
    _Atomic int answers[2] = { 0 };
    struct move m = { 0 };
    for (int i = 0; i < SENDS; i++) {
        char key[32];
        snprintf(key, sizeof key, "{storm}%d", i % 50);
        struct str words[] = { STR("INCR"), str_of(key) };
        redis_send(r, &(struct redis_call){ .words = words, .count = 2 }, false, count, answers);
        if (i == SENDS / 4)
            m = move_begin(key_slot(STR("storm")));
        if (i == SENDS / 2)
            for (int k = 0; k < 50; k++)
                redis_say(&world.nodes[m.from], "MIGRATE 127.0.0.1 %d {storm}%d 0 5000",
                          world.nodes[m.to].port, k);
        if (i == SENDS * 3 / 4)
            move_end(&m);
    }
    int64_t deadline = mono_us() + 40 * US_PER_S;
    while (answers[0] + answers[1] < SENDS && mono_us() < deadline)
        usleep(1000);
    assert_int_equal(answers[1], 0);
    assert_int_equal(answers[0], SENDS);
    int64_t sum = 0;
    for (int k = 0; k < 50; k++) {
        char key[32];
        snprintf(key, sizeof key, "{storm}%d", k);
        sum += number(r, "GET", key, NULL);
    }
    assert_int_equal(sum, SENDS);
}

struct heard {
    _Atomic int messages, gaps;
};

static void hear(void *arg, UNUSED struct str text)
{
    atomic_fetch_add(&((struct heard *)arg)->messages, 1);
}

TEST(what_is_published_anywhere_is_heard)
{
    CLEANUP(redis_close) struct redis *r = open_redis(world.url, 10 * US_PER_S);
    struct heard h = { 0 };
    struct err e = { 0 };
    struct redis_ear *ear = redis_listen(r, "news", hear, NULL, &h, &e);
    MUST(ear);
    for (int i = 0; i < CLUSTER_NODES; i++)
        redis_say(&world.nodes[i], "PUBLISH news x");
    int64_t deadline = mono_us() + 20 * US_PER_S;
    while (h.messages < CLUSTER_NODES && mono_us() < deadline)
        usleep(500);
    assert_int_equal(h.messages, CLUSTER_NODES);
    redis_deafen(ear);
}

TEST(a_server_that_is_no_cluster_is_refused_as_one)
{
    CLEANUP(redis_server_done) struct redis_server s = { .port = -1 };
    char url[64];
    redis_server_start(&s, NULL);
    snprintf(url, sizeof url, "redis+cluster://127.0.0.1:%d", s.port);
    CLEANUP(redis_close) struct redis *r = open_redis(url, 5 * US_PER_S);
    struct err e = { 0 };
    assert_null(redis_words(r, &e, "GET", "x"));
    assert_int_equal(e.kind, ERR_INVALID);
    assert_non_null(strstr(e.text, "cluster support disabled"));
}

/* Last: it leaves the cluster with a node less. */
TEST(a_dead_node_s_replica_takes_over)
{
    CLEANUP(redis_close) struct redis *r = open_redis(world.url, US_PER_S);
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    int owner = redis_cluster_owner(&world, key_slot(STR("victim")));
    assert_int_equal(number(r, "INCR", "victim", NULL), 1);
    struct str words[] = { STR("INCR"), STR("victim") };
    struct redis_call call = { .words = words, .count = 2 };
    struct err e = { 0 };
    struct redis_reply *reply = redis_line_ask(l, &call, 0, &e);
    MUST(reply);
    redis_reply_free(reply);
    redis_server_stop(&world.nodes[owner], SIGKILL);
    assert_true(insist(r, "INCR", "victim", NULL) >= 1); /* replicas may lag */
    int64_t deadline = mono_us() + 20 * US_PER_S;
    while (!(reply = redis_line_ask(l, &call, 0, &e)) && mono_us() < deadline)
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
    MUST(reply);
    redis_reply_free(reply);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "after%d", i);
        assert_true(insist(r, "INCR", key, NULL) >= 1);
    }
}

static int start(UNUSED void **state)
{
    redis_cluster_start(&world);
    return 0;
}

static int end(UNUSED void **state)
{
    redis_cluster_done(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(slots_are_those_of_the_specification),
        T(every_key_is_found_by_the_map),
        T(an_ordinary_url_of_a_node_finds_the_cluster),
        T(keys_are_found_while_their_slot_moves_and_after),
        T(a_command_on_keys_that_are_apart_waits_until_they_are_together),
        T(a_storm_over_moving_slots_is_answered_whole),
        T(what_is_published_anywhere_is_heard),
        T(a_server_that_is_no_cluster_is_refused_as_one),
        T(a_dead_node_s_replica_takes_over),
    };
    if (!redis_is_here() || access("/usr/bin/redis-cli", X_OK) != 0) {
        print_message("redis-server or redis-cli is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, start, end);
}
