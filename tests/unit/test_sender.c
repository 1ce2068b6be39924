/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender and a store that is not always there. Nobody listens where the deliveries go, so each
 * attempt fails at once; what is looked at is what the store is told, and when.
 */
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "test.h"
#include "webhook/sender.h"

enum { MANY = 32 };

struct settled {
    char id[DELIVERY_TEXT];
    enum delivery_state state;
    int attempts;
    struct delivery_attempt attempt;
    int64_t due_us;
};

/* A store of deliveries that are each leased once. */
struct fake {
    struct store store; /* first */
    pthread_mutex_t lock;
    /* under lock */
    struct delivery due[MANY];
    int due_count, leased;
    struct settled settled[MANY];
    int settled_count;
    int lease_fails, load_fails, settle_fails; /* so many times from now on */
    int looks, loads;
    enum got load;
    enum job_state state;
};

static bool fails(int *times, struct err *e)
{
    if (*times == 0)
        return false;
    (*times)--;
    err_set(e, ERR_UNAVAILABLE, "the store is away");
    return true;
}

static bool fake_lease(struct store *s, UNUSED int64_t now_us, UNUSED int64_t lease_us,
                       struct delivery *ret, int max, int *ret_count, int64_t *ret_next_us,
                       struct err *e)
{
    struct fake *f = (struct fake *)s;
    pthread_mutex_lock(&f->lock);
    f->looks++;
    bool ok = !fails(&f->lease_fails, e);
    *ret_count = 0;
    *ret_next_us = INT64_MAX;
    while (ok && f->leased < f->due_count && *ret_count < max)
        ret[(*ret_count)++] = f->due[f->leased++];
    pthread_mutex_unlock(&f->lock);
    return ok;
}

static bool fake_settle(struct store *s, const struct delivery *d, const struct delivery_attempt *a,
                        enum delivery_state state, int64_t due_us, struct err *e)
{
    struct fake *f = (struct fake *)s;
    pthread_mutex_lock(&f->lock);
    bool ok = !fails(&f->settle_fails, e);
    if (ok && f->settled_count < MANY) {
        struct settled *x = &f->settled[f->settled_count++];
        *x = (struct settled){
            .state = state, .attempts = d->attempts, .attempt = *a, .due_us = due_us
        };
        memcpy(x->id, d->id, sizeof x->id);
    }
    pthread_mutex_unlock(&f->lock);
    return ok;
}

static enum got fake_load(struct store *s, const char *id, UNUSED unsigned parts,
                          struct record *ret, struct err *e)
{
    struct fake *f = (struct fake *)s;
    pthread_mutex_lock(&f->lock);
    f->loads++;
    enum got got = fails(&f->load_fails, e) ? GOT_FAILED : f->load;
    if (got == GOT_ONE) {
        *ret = (struct record){ .state = f->state };
        snprintf(ret->id, sizeof ret->id, "%s", id);
    }
    pthread_mutex_unlock(&f->lock);
    return got;
}

static const struct delivery_ops delivery_ops = { .lease = fake_lease, .settle = fake_settle };
static const struct store_ops store_ops = { .deliveries = &delivery_ops, .load = fake_load };

static void render(UNUSED void *arg, UNUSED enum delivery_kind kind, UNUSED const struct record *r,
                   struct buf *out)
{
    buf_add_text(out, "{}");
}

struct world {
    struct fake fake;
    struct bus *bus;
    struct signer *signer;
    struct web_guard *guard;
    struct sender *sender;
};

static void world_open(struct world *w)
{
    static const char *const networks[] = { "127.0.0.1", NULL };
    struct err e;
    *w = (struct world){ .fake = { .store = { &store_ops },
                                   .lock = PTHREAD_MUTEX_INITIALIZER,
                                   .load = GOT_ONE,
                                   .state = STATE_FINISHED } };
    w->bus = bus_local_open();
    w->signer = signer_new(NULL, &e);
    w->guard = web_guard_new(networks, &e);
}

static void world_add(struct world *w, const char *id, const char *url, int attempts)
{
    struct delivery *d = &w->fake.due[w->fake.due_count];
    *d = (struct delivery){ .state = DELIVERY_PENDING, .attempts = attempts };
    snprintf(d->id, sizeof d->id, "%s", id);
    snprintf(d->url, sizeof d->url, "%s", url);
    w->fake.due_count++;
}

static void world_start(struct world *w)
{
    const struct sender_config config = {
        .signer = w->signer,
        .guard = w->guard,
        .webhook = { .count = 2, .delay_us = { 0, 3600 * US_PER_S } },
        .callback = { .count = 1 },
        .render = render,
    };
    struct err e;
    w->sender = sender_start(&config, &w->fake.store, w->bus, &e);
    assert_non_null(w->sender);
}

static int settled_count(struct world *w)
{
    pthread_mutex_lock(&w->fake.lock);
    int count = w->fake.settled_count;
    pthread_mutex_unlock(&w->fake.lock);
    return count;
}

static void wait_settled(struct world *w, int count)
{
    int64_t until = mono_us() + 20 * US_PER_S;
    while (settled_count(w) < count && mono_us() < until)
        usleep(2000);
    assert_int_equal(settled_count(w), count);
}

static void world_close(struct world *w)
{
    sender_stop(w->sender);
    bus_close(w->bus);
    signer_free(w->signer);
    web_guard_free(w->guard);
}

/* Port 1: nobody listens there. */
#define NOBODY "http://127.0.0.1:1/x"

TEST(what_is_due_at_the_start_is_sent_and_written_down)
{
    struct world w;
    world_open(&w);
    world_add(&w, "msg_1", NOBODY, 0);
    world_add(&w, "msg_2", NOBODY, 1);
    world_start(&w);
    wait_settled(&w, 2);
    const struct settled *first = &w.fake.settled[0], *last = &w.fake.settled[1];
    assert_string_equal(first->id, "msg_1");
    assert_int_equal(first->state, DELIVERY_PENDING);
    assert_int_equal(first->attempts, 0);
    assert_int_equal(first->attempt.status, 0);
    assert_non_null(strstr(first->attempt.error, "onnect"));
    assert_true(first->due_us > wall_us() + 3000 * US_PER_S);
    assert_int_equal(last->state, DELIVERY_FAILED); /* that was the second of two */
    struct sender_stats stats;
    sender_stats(w.sender, &stats);
    assert_int_equal(stats.failed, 2);
    world_close(&w);
}

TEST(a_nudge_brings_a_look)
{
    struct world w;
    world_open(&w);
    world_start(&w);
    int64_t until = mono_us() + 10 * US_PER_S;
    for (int looks = 0; looks == 0 && mono_us() < until; usleep(1000)) {
        pthread_mutex_lock(&w.fake.lock);
        looks = w.fake.looks;
        pthread_mutex_unlock(&w.fake.lock);
    }
    bus_announce(w.bus, "x", BUS_CHANGED); /* says nothing about an end */
    usleep(50000);
    pthread_mutex_lock(&w.fake.lock);
    assert_int_equal(w.fake.looks, 1); /* and none without */
    world_add(&w, "msg_1", NOBODY, 0);
    pthread_mutex_unlock(&w.fake.lock);
    bus_announce(w.bus, "x", BUS_FINISHED);
    wait_settled(&w, 1);
    world_close(&w);
}

TEST(many_nudges_are_one_look)
{
    struct world w;
    world_open(&w);
    world_start(&w);
    usleep(50000);
    int64_t start = mono_us();
    for (int i = 0; i < 20000; i++)
        bus_announce(w.bus, "x", BUS_FINISHED);
    int64_t took_ms = (mono_us() - start) / US_PER_MS;
    usleep(100000);
    pthread_mutex_lock(&w.fake.lock);
    int looks = w.fake.looks;
    pthread_mutex_unlock(&w.fake.lock);
    assert_in_range(looks, 2, (took_ms + 100) / 20 + 3);
    world_close(&w);
}

TEST(an_outcome_the_store_does_not_take_is_kept_and_not_sent_again)
{
    struct world w;
    world_open(&w);
    w.fake.settle_fails = 2;
    world_add(&w, "msg_1", NOBODY, 0);
    world_start(&w);
    wait_settled(&w, 1);
    assert_int_equal(w.fake.loads, 1);
    struct sender_stats stats;
    sender_stats(w.sender, &stats);
    assert_int_equal(stats.failed, 1);
    world_close(&w);
}

TEST(a_store_that_is_away_is_asked_again)
{
    struct world w;
    world_open(&w);
    w.fake.lease_fails = 1;
    w.fake.load_fails = 1;
    world_add(&w, "msg_1", NOBODY, 0);
    world_add(&w, "msg_2", NOBODY, 0);
    int64_t start = mono_us();
    world_start(&w);
    wait_settled(&w, 2);
    assert_true(mono_us() - start > 1900 * US_PER_MS);  /* a second after each failure */
    assert_string_equal(w.fake.settled[0].id, "msg_1"); /* put back, first in its line */
    assert_string_equal(w.fake.settled[1].id, "msg_2");
    assert_int_equal(w.fake.loads, 3);
    world_close(&w);
}

TEST(what_cannot_be_sent_is_settled_with_its_reason)
{
    struct world w;
    world_open(&w);
    world_add(&w, "msg_1", "no URL", 0);
    world_add(&w, "msg_2", "http://10.0.0.1/", 0);
    world_start(&w);
    wait_settled(&w, 2);
    assert_string_equal(w.fake.settled[0].id, "msg_1");
    assert_int_equal(w.fake.settled[0].state, DELIVERY_REFUSED);
    assert_int_equal(w.fake.settled[1].state, DELIVERY_REFUSED);
    assert_non_null(strstr(w.fake.settled[1].attempt.error, "10.0.0.1"));
    world_close(&w);
}

TEST(a_submission_that_is_gone_is_told_to_nobody)
{
    struct world w;
    world_open(&w);
    w.fake.load = GOT_NONE;
    world_add(&w, "msg_1", NOBODY, 0);
    world_start(&w);
    wait_settled(&w, 1);
    assert_int_equal(w.fake.settled[0].state, DELIVERY_FAILED);
    assert_string_equal(w.fake.settled[0].attempt.error, "the submission was deleted");
    world_close(&w);
}

TEST(a_submission_that_runs_again_is_not_told)
{
    struct world w;
    world_open(&w);
    w.fake.state = STATE_QUEUED;
    world_add(&w, "msg_1", NOBODY, 0);
    world_start(&w);
    int64_t until = mono_us() + 10 * US_PER_S;
    for (int loads = 0; loads == 0 && mono_us() < until; usleep(1000)) {
        pthread_mutex_lock(&w.fake.lock);
        loads = w.fake.loads;
        pthread_mutex_unlock(&w.fake.lock);
    }
    usleep(50000);
    assert_int_equal(settled_count(&w), 0);
    world_close(&w);
}

RUN_TESTS(T(what_is_due_at_the_start_is_sent_and_written_down), T(a_nudge_brings_a_look),
          T(many_nudges_are_one_look),
          T(an_outcome_the_store_does_not_take_is_kept_and_not_sent_again),
          T(a_store_that_is_away_is_asked_again), T(what_cannot_be_sent_is_settled_with_its_reason),
          T(a_submission_that_is_gone_is_told_to_nobody),
          T(a_submission_that_runs_again_is_not_told))
