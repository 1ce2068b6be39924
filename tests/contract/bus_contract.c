/* SPDX-License-Identifier: Apache-2.0 */
/* What every bus promises, held against every backend. */
#include "contract.h"

#include <semaphore.h>

#include "../redis_world.h"
#include "bus/bus.h"
#include "drivers/redis.h"
#include "redis/cluster.h"

struct backend {
    const char *name;
    struct bus *(*open)(void);
};

static struct redis *shared;

static void close_shared(void)
{
    redis_close(shared);
}

static struct bus *open_redis(void)
{
    struct err e = { 0 };
    if (!shared) {
        shared = redis_open(&(struct redis_config){ .url = redis_shared()->url }, &e);
        atexit(close_shared);
    }
    struct bus *b = shared ? bus_redis_open(shared, "contract", &e) : NULL;
    if (!b)
        fail_msg("%s", e.text);
    return b;
}

static const struct backend backends[] = {
    { "local", bus_local_open },
    { "redis", open_redis },
};

static int setup(void **state)
{
    const struct backend *backend = *state;
    *state = backend->open();
    return 0;
}

static int teardown(void **state)
{
    bus_close(*state);
    return 0;
}

#define BUS(name)                                                                                  \
    static void name##_body(struct bus *b);                                                        \
    static void name(void **state)                                                                 \
    {                                                                                              \
        name##_body(*state);                                                                       \
    }                                                                                              \
    static void name##_body(struct bus *b)

/* What one watcher heard. */
struct ear {
    _Atomic int calls;
    _Atomic int last; /* enum bus_event */
    char id[64];
    char data[64];
    _Atomic size_t data_len;
};

static void hear(void *arg, const char *id, enum bus_event event, struct str data)
{
    struct ear *ear = arg;
    snprintf(ear->id, sizeof ear->id, "%s", id);
    snprintf(ear->data, sizeof ear->data, "%.*s", STR_FMT(data));
    atomic_store(&ear->data_len, data.len);
    atomic_store(&ear->last, (int)event);
    atomic_fetch_add(&ear->calls, 1);
}

static void count(void *arg, UNUSED const char *id, UNUSED enum bus_event event,
                  UNUSED struct str data)
{
    struct ear *ear = arg;
    atomic_fetch_add(&ear->calls, 1);
}

BUS(a_nudge_reaches_those_who_watch_the_id)
{
    struct ear one = { 0 }, two = { 0 }, other = { 0 };
    struct bus_watch *w1 = bus_watch(b, "a", hear, &one);
    struct bus_watch *w2 = bus_watch(b, "a", hear, &two);
    struct bus_watch *w3 = bus_watch(b, "b", hear, &other);
    bus_announce(b, "a", BUS_CANCEL);
    assert_int_equal(one.calls, 1);
    assert_int_equal(two.calls, 1);
    assert_int_equal(one.last, BUS_CANCEL);
    assert_string_equal(one.id, "a");
    assert_int_equal(other.calls, 0);
    bus_unwatch(b, w1);
    bus_unwatch(b, w2);
    bus_unwatch(b, w3);
}

BUS(a_nudge_about_nobody_s_id_is_nothing)
{
    bus_announce(b, "a", BUS_FINISHED);
    bus_unwatch(b, NULL);
}

BUS(some_watch_every_id)
{
    struct ear all = { 0 };
    struct bus_watch *w = bus_watch(b, NULL, hear, &all);
    bus_announce(b, "a", BUS_FINISHED);
    assert_string_equal(all.id, "a");
    bus_announce(b, "", BUS_CHANGED);
    assert_string_equal(all.id, "");
    assert_int_equal(all.last, BUS_CHANGED);
    assert_int_equal(all.calls, 2);
    bus_unwatch(b, w);
}

BUS(a_nudge_carries_its_data)
{
    struct ear ear = { 0 };
    struct bus_watch *w = bus_watch(b, "a", hear, &ear);
    bus_announce_data(b, "a", BUS_TEST, STR("{\"id\":\"1\"}"));
    assert_int_equal(ear.last, BUS_TEST);
    assert_string_equal(ear.data, "{\"id\":\"1\"}");
    bus_announce(b, "a", BUS_FINISHED);
    assert_int_equal(ear.data_len, 0);
    bus_unwatch(b, w);
}

BUS(data_too_large_for_a_nudge_is_left_out)
{
    static char large[64 * 1024 + 1];
    memset(large, 'x', sizeof large);
    struct ear ear = { 0 };
    struct bus_watch *w = bus_watch(b, "a", hear, &ear);
    bus_announce_data(b, "a", BUS_TEST, (struct str){ large, sizeof large - 1 });
    assert_int_equal(ear.data_len, sizeof large - 1);
    bus_announce_data(b, "a", BUS_TEST, (struct str){ large, sizeof large });
    assert_int_equal(ear.calls, 2);
    assert_int_equal(ear.data_len, 0);
    bus_unwatch(b, w);
}

BUS(look_again_reaches_every_watch_once)
{
    struct ear one = { 0 }, other = { 0 }, all = { 0 };
    struct bus_watch *w1 = bus_watch(b, "a", hear, &one);
    struct bus_watch *w2 = bus_watch(b, "b", hear, &other);
    struct bus_watch *w3 = bus_watch(b, NULL, hear, &all);
    bus_announce(b, "", BUS_AGAIN);
    assert_int_equal(one.calls, 1);
    assert_int_equal(other.calls, 1);
    assert_int_equal(all.calls, 1);
    assert_int_equal(one.last, BUS_AGAIN);
    bus_unwatch(b, w2);
    bus_announce(b, "", BUS_AGAIN);
    assert_int_equal(one.calls, 2);
    assert_int_equal(other.calls, 1);
    bus_unwatch(b, w1);
    bus_unwatch(b, w3);
}

BUS(after_unwatch_nothing_is_heard)
{
    struct ear gone = { 0 }, stays = { 0 };
    struct bus_watch *w1 = bus_watch(b, "a", hear, &gone);
    struct bus_watch *w2 = bus_watch(b, "a", hear, &stays);
    bus_unwatch(b, w1);
    bus_announce(b, "a", BUS_FINISHED);
    assert_int_equal(gone.calls, 0);
    assert_int_equal(stays.calls, 1);
    bus_unwatch(b, w2);
    bus_announce(b, "a", BUS_FINISHED);
    assert_int_equal(stays.calls, 1);
}

BUS(many_ids_are_watched_at_once)
{
    enum { IDS = 3000 };
    static struct ear ears[IDS];
    static struct bus_watch *watches[IDS];
    memset(ears, 0, sizeof ears);
    char id[16];
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "%d", i);
        watches[i] = bus_watch(b, id, hear, &ears[i]);
    }
    for (int i = 0; i < IDS; i += 3)
        bus_unwatch(b, watches[i]);
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "%d", i);
        bus_announce(b, id, BUS_FINISHED);
    }
    for (int i = 0; i < IDS; i++) {
        assert_int_equal(ears[i].calls, i % 3 != 0);
        if (i % 3)
            bus_unwatch(b, watches[i]);
    }
}

/* ---- threads ---- */

struct gate {
    sem_t inside, go_on;
    _Atomic bool left;
};

static void hear_slowly(void *arg, UNUSED const char *id, UNUSED enum bus_event event,
                        UNUSED struct str data)
{
    struct gate *gate = arg;
    sem_post(&gate->inside);
    sem_wait(&gate->go_on);
    atomic_store(&gate->left, true);
}

static void *announce_once(void *bus)
{
    bus_announce(bus, "a", BUS_FINISHED);
    return NULL;
}

static void *let_go(void *arg)
{
    struct gate *gate = arg;
    sem_post(&gate->go_on);
    return NULL;
}

BUS(unwatch_waits_for_a_call_in_progress)
{
    struct gate gate = { .left = false };
    sem_init(&gate.inside, 0, 0);
    sem_init(&gate.go_on, 0, 0);
    struct bus_watch *w = bus_watch(b, "a", hear_slowly, &gate);
    pthread_t announcer = thread_start(announce_once, b);
    sem_wait(&gate.inside);

    pthread_t releaser = thread_start(let_go, &gate);
    bus_unwatch(b, w);
    assert_true(gate.left);
    pthread_join(releaser, NULL);
    pthread_join(announcer, NULL);
}

BUS(a_slow_watcher_does_not_stop_others)
{
    struct gate gate = { .left = false };
    sem_init(&gate.inside, 0, 0);
    sem_init(&gate.go_on, 0, 0);
    struct bus_watch *w = bus_watch(b, "a", hear_slowly, &gate);
    pthread_t announcer = thread_start(announce_once, b);
    sem_wait(&gate.inside);

    struct ear ear = { 0 };
    struct bus_watch *other = bus_watch(b, "b", hear, &ear);
    bus_announce(b, "b", BUS_FINISHED);
    assert_int_equal(ear.calls, 1);
    bus_unwatch(b, other);
    assert_false(gate.left);

    sem_post(&gate.go_on);
    pthread_join(announcer, NULL);
    bus_unwatch(b, w);
}

struct storm {
    struct bus *b;
    _Atomic bool over;
};

static void *announce_on(void *arg)
{
    struct storm *storm = arg;
    while (!atomic_load(&storm->over)) {
        bus_announce(storm->b, "a", BUS_CHANGED);
        bus_announce(storm->b, "b", BUS_CHANGED);
        bus_announce(storm->b, "", BUS_AGAIN);
    }
    return NULL;
}

static void *watch_on(void *arg)
{
    struct storm *storm = arg;
    for (int i = 0; i < 3000; i++) {
        struct ear *ear = calloc(1, sizeof *ear);
        struct bus_watch *w = bus_watch(storm->b,
                                        i % 3 == 0   ? "a"
                                        : i % 3 == 1 ? "b"
                                                     : NULL,
                                        count, ear);
        if (i % 5 == 0)
            bus_announce(storm->b, "a", BUS_CHANGED);
        bus_unwatch(storm->b, w);
        free(ear); /* a call after this is what the sanitizers would see */
    }
    return NULL;
}

BUS(watchers_come_and_go_in_a_storm)
{
    struct storm storm = { .b = b };
    pthread_t announcers[2], watchers[3];
    for (int i = 0; i < 2; i++)
        announcers[i] = thread_start(announce_on, &storm);
    for (int i = 0; i < 3; i++)
        watchers[i] = thread_start(watch_on, &storm);
    for (int i = 0; i < 3; i++)
        pthread_join(watchers[i], NULL);
    atomic_store(&storm.over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(announcers[i], NULL);
}

static const struct CMUnitTest tests[] = {
    T(a_nudge_reaches_those_who_watch_the_id),
    T(a_nudge_about_nobody_s_id_is_nothing),
    T(some_watch_every_id),
    T(a_nudge_carries_its_data),
    T(data_too_large_for_a_nudge_is_left_out),
    T(look_again_reaches_every_watch_once),
    T(after_unwatch_nothing_is_heard),
    T(many_ids_are_watched_at_once),
    T(unwatch_waits_for_a_call_in_progress),
    T(a_slow_watcher_does_not_stop_others),
    T(watchers_come_and_go_in_a_storm),
};

int main(void)
{
    return RUN_ON_EVERY_BACKEND(tests, backends, setup, teardown);
}
