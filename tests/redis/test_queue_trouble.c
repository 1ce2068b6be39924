/* SPDX-License-Identifier: Apache-2.0 */
/* The queue while its Redis is hurt: entries trimmed or deleted by hand, memory full, restarts,
 * slow or away. */
#include "queue_cluster.h"

enum { LEASE_US = 60 * 1000 * 1000 };

static void nap_ms(int ms)
{
    struct timespec t = us_to_timespec(ms * US_PER_MS);
    nanosleep(&t, NULL);
}

/* ---- by hand ---- */

/* Two of each place: waiting w1 w2 (one of them the head), delayed d1 d2, leased l1 l2, dead x1 x2.
 */
static void fill_places(struct end *b, struct ticket leased[2])
{
    struct err e;
    push(b, "l1", 1, 0);
    push(b, "l2", 2, 0);
    push(b, "x1", 1, 0);
    push(b, "x2", 1, 0);
    leased[0] = pull_is(b, "l2", 1);
    leased[1] = pull_is(b, "l1", 1);
    for (int i = 1; i <= 2; i++) {
        struct ticket t = pull_is(b, i == 1 ? "x1" : "x2", 1);
        MUST(queue_bury(b->q, &t, "bad", &e));
    }
    push(b, "w1", 1, 0);
    push(b, "w2", 1, 0);
    push(b, "d1", 0, 5000);
    push(b, "d2", 1, 6000);
    is_sound(8);
}

static void tend_until_sound(struct end *b, int64_t total)
{
    for (int i = 0; i < 3; i++)
        tend(b);
    is_sound(total);
}

/* Everything that waits, is delayed or was leased is offered once more, and nothing twice. */
static void is_all_there(struct end *b)
{
    static const char *const ids[] = { "w1", "w2", "d1", "d2", "l1", "l2" };
    bool seen[COUNT_OF(ids)] = { 0 };
    pass_time(2 * LEASE_US);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct ticket t = { 0 };
        assert_int_equal(pull_within(b, 0, &t), GOT_ONE);
        for (size_t k = 0; k < COUNT_OF(ids); k++) {
            if (strcmp(ids[k], t.id) == 0) {
                assert_false(seen[k]);
                seen[k] = true;
            }
        }
        ack(b, &t);
    }
    for (size_t k = 0; k < COUNT_OF(ids); k++)
        if (!seen[k])
            fail_msg("%s is lost", ids[k]);
    is_empty(b);
}

static void hurt(const char *command)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    struct ticket leased[2];
    redis_say(redis_shared(), "FLUSHALL");
    fill_places(&b, leased);
    redis_say(redis_shared(), "%s", command);
    struct ticket t;
    struct err e;
    if (pull_within(&b, 0, &t) == GOT_ONE) /* may find nothing for a second, but ends */
        MUST(queue_give_back(b.q, &t, 0, false, &e));
    tend_until_sound(&b, 8);
    is_all_there(&b);
    assert_int_equal(stats_of(&b).dead, 2);
}

TEST(what_was_trimmed_from_a_stream_is_put_back)
{
    hurt("XTRIM " Q ":stream:1 MAXLEN 0");
    hurt("XTRIM " Q ":stream:2 MAXLEN 0");
    hurt("XTRIM " Q ":stream:1 MAXLEN 1");
}

TEST(a_stream_that_was_deleted_is_made_again)
{
    hurt("DEL " Q ":stream:0 " Q ":stream:1 " Q ":stream:2");
    hurt("DEL " Q ":stream:1 " Q ":wake");
}

TEST(a_group_that_was_deleted_is_made_again)
{
    hurt("XGROUP DESTROY " Q ":stream:1 workers");
    hurt("XGROUP DESTROY " Q ":stream:2 workers");
    hurt("XGROUP DESTROY " Q ":wake workers");
    hurt("XGROUP SETID " Q ":stream:1 workers 0");
    hurt("XGROUP SETID " Q ":stream:1 workers $");
}

TEST(a_lane_that_was_deleted_is_made_again)
{
    hurt("DEL " Q ":lane:1:");
    hurt("DEL " Q ":turns:1");
    hurt("DEL " Q ":lane:1: " Q ":turns:1 " Q ":stream:1");
}

TEST(lists_of_what_is_leased_or_delayed_are_made_again)
{
    hurt("DEL " Q ":leases");
    hurt("DEL " Q ":out:1");
    hurt("DEL " Q ":out:2 " Q ":leases");
    hurt("DEL " Q ":delayed:0 " Q ":delayed:1");
    hurt("DEL " Q);
    hurt("HSET " Q " ready:1 77 ready:2 -3");
}

TEST(what_was_added_to_a_stream_by_hand_is_not_offered)
{
    hurt("XADD " Q ":stream:1 * i bogus a 1 u 0");
    hurt("XADD " Q ":stream:0 * i w1 a 1 u 0");
    hurt("XADD " Q ":stream:2 * something else");
}

TEST(dead_letters_that_were_trimmed_are_gone)
{
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    struct ticket leased[2];
    fill_places(&b, leased);
    redis_say(redis_shared(), "XTRIM " Q ":dead MAXLEN 1");
    tend_until_sound(&b, 7);
    assert_int_equal(stats_of(&b).dead, 1);
    push(&b, "x1", 1, 0); /* may come again */
    is_sound(8);
}

TEST(an_entry_of_a_stream_deleted_by_hand_is_put_back)
{
    char entry[64], first[64];
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    struct ticket leased[2];
    fill_places(&b, leased);
    snprintf(first, sizeof first, "%s", leased[1].receipt);
    lua(redis_shared(), "return redis.call('XREVRANGE', KEYS[1], '+', '-')[1][1]", Q ":stream:1",
        entry, sizeof entry);
    redis_say(redis_shared(), "XDEL " Q ":stream:1 %s", first); /* a leased one */
    redis_say(redis_shared(), "XDEL " Q ":stream:1 %s", entry); /* the head */
    tend_until_sound(&b, 8);
    assert_true(lease_is_lost(&b, &leased[1]));
    is_all_there(&b);
}

struct waiter {
    struct end end;
    struct ticket ticket;
    enum got got;
    struct err e;
    pthread_t thread;
};

static void *wait_for_one(void *arg)
{
    struct waiter *w = arg;
    int count;
    w->got = queue_pull(w->end.q, 600 * US_PER_S, &w->ticket, 1, &count, &w->e);
    return NULL;
}

static int64_t blocked(void)
{
    const char *clients = redis_say(redis_shared(), "INFO clients");
    return strtoll(strstr(clients, "blocked_clients:") + strlen("blocked_clients:"), NULL, 10);
}

static void waiter_start(struct waiter *w)
{
    *w = (struct waiter){ .end = end_open(LEASE_US, NULL) };
    if (pthread_create(&w->thread, NULL, wait_for_one, w) != 0)
        abort();
    while (blocked() == 0)
        nap_ms(1);
}

static void is_served(struct waiter *w, const char *id)
{
    pthread_join(w->thread, NULL);
    if (w->got == GOT_FAILED)
        fail_msg("pull: %s", w->e.text);
    assert_int_equal(w->got, GOT_ONE);
    assert_string_equal(w->ticket.id, id);
    end_close(&w->end);
}

TEST(a_waiting_worker_survives_the_deletion_of_what_it_waits_on)
{
    static const char *const hurts[] = { "DEL " Q ":stream:1",
                                         "XGROUP DESTROY " Q ":stream:0 workers", "DEL " Q ":wake",
                                         "FLUSHALL" };
    for (size_t i = 0; i < COUNT_OF(hurts); i++) {
        struct waiter w;
        CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
        redis_say(redis_shared(), "FLUSHALL");
        waiter_start(&w);
        redis_say(redis_shared(), "%s", hurts[i]);
        push(&b, "job", 1, 0);
        is_served(&w, "job");
    }
}

/* ---- memory ---- */

TEST(a_full_memory_takes_nothing_in_and_lets_everything_out)
{
    struct err e = { 0 };
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    struct ticket leased[2];
    fill_places(&b, leased);
    redis_say(redis_shared(), "CONFIG SET maxmemory 1");
    assert_false(queue_push(b.q, &(struct queue_entry){ .id = "more", .priority = 1 }, &e));
    assert_int_equal(e.kind, ERR_LIMIT);

    MUST(queue_extend(b.q, &leased[0], &e));
    MUST(queue_give_back(b.q, &leased[0], 0, true, &e));
    MUST(queue_ack(b.q, &leased[1], &e));
    assert_int_equal(queue_drop(b.q, "d1", &e), GOT_ONE);
    assert_int_equal(queue_retry(b.q, "x1", &e), GOT_ONE);
    struct ticket t = pull_is(&b, "l2", 2);
    MUST(queue_bury(b.q, &t, "bad", &e));
    tend(&b);
    announce(&b);
    t = pull_is(&b, "w1", 1);
    ack(&b, &t);
    is_sound(5);
    redis_say(redis_shared(), "CONFIG SET maxmemory 0");
    push(&b, "more", 1, 0);
}

TEST(a_waiting_worker_is_served_while_memory_is_full)
{
    struct waiter w;
    struct err e;
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    push(&b, "job", 1, 0);
    struct ticket t = pull_is(&b, "job", 1);
    waiter_start(&w);
    redis_say(redis_shared(), "CONFIG SET maxmemory 1");
    MUST(queue_give_back(b.q, &t, 0, true, &e));
    is_served(&w, "job");
    redis_say(redis_shared(), "CONFIG SET maxmemory 0");
}

/* ---- restarts, and a Redis that is slow or away ---- */

TEST(a_restart_of_redis_loses_nothing_and_workers_find_back)
{
    struct waiter w;
    struct err e;
    int count;
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    push(&b, "leased", 1, 0);
    struct ticket t = pull_is(&b, "leased", 1);
    push(&b, "later", 1, 3600 * US_PER_S);
    waiter_start(&w);
    redis_server_stop(redis_shared(), SIGKILL);
    pthread_join(w.thread, NULL);
    assert_int_equal(w.got, GOT_FAILED);
    assert_int_equal(w.e.kind, ERR_UNAVAILABLE);
    redis_server_go_on(redis_shared());
    redis_say_until(redis_shared(), "\nloading:0", "INFO persistence");
    redis_say(redis_shared(), "CONFIG SET appendfsync always");

    while (!queue_push(b.q, &(struct queue_entry){ .id = "job", .priority = 1 }, &e))
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
    while ((w.got = queue_pull(w.end.q, US_PER_S, &t, 1, &count, &e)) == GOT_FAILED)
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_string_equal(t.id, "job");
    is_sound(3);
    end_close(&w.end);
}

TEST(a_push_whose_answer_came_too_late_may_be_repeated)
{
    struct err e = { 0 };
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    struct redis_config slow = { .url = redis_shared()->url, .timeout_us = 100000 };
    CLEANUP(redis_close) struct redis *r = redis_open(&slow, &e);
    MUST(r);
    CLEANUP(queue_close)
    struct queue *q = queue_redis_open(r, "q", &(struct queue_config){ LEASE_US, NULL }, &e);
    struct queue_entry job = { .id = "job", .priority = 1 };
    tend(&b);
    MUST(queue_tend(q, &e));
    redis_server_stop(redis_shared(), SIGSTOP);
    assert_false(queue_push(q, &job, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    redis_server_stop(redis_shared(), SIGCONT);
    while (!queue_push(q, &job, &e))
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
    is_sound(1);
    pull_is(&b, "job", 1);
    is_empty(&b);
}

TEST(a_pull_whose_answer_was_lost_gets_its_jobs_when_it_asks_again)
{
    struct err e = { 0 };
    struct ticket t[3];
    int count;
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    struct redis_config slow = { .url = redis_shared()->url, .timeout_us = 100000 };
    CLEANUP(redis_close) struct redis *r = redis_open(&slow, &e);
    MUST(r);
    CLEANUP(queue_close)
    struct queue *q = queue_redis_open(r, "q", &(struct queue_config){ LEASE_US, NULL }, &e);
    MUST(queue_tend(q, &e));
    push(&b, "a", 1, 0);
    push(&b, "b", 1, 0);
    push(&b, "c", 1, 0);
    redis_server_stop(redis_shared(), SIGSTOP);
    assert_int_equal(queue_pull(q, 0, t, 3, &count, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    redis_server_stop(redis_shared(), SIGCONT);
    while (stats_of(&b).leased < 3) /* the server does what it was asked, and nobody listens */
        nap_ms(1);
    enum got got;
    while ((got = queue_pull(q, 0, t, 2, &count, &e)) == GOT_FAILED)
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_int_equal(got, GOT_ONE);
    assert_int_equal(count, 2);
    assert_int_equal(t[0].attempt, 1);
    MUST(queue_extend(q, &t[1], &e));
    is_sound(3);
    MUST(queue_ack(q, &t[0], &e));
    MUST(queue_ack(q, &t[1], &e));
    assert_int_equal(queue_pull(q, 0, t, 2, &count, &e), GOT_ONE); /* there was no room for it */
    assert_int_equal(count, 1);
    assert_int_equal(t[0].attempt, 1);
    is_sound(1);
}

TEST(time_in_which_nobody_could_reach_redis_ends_no_lease)
{
    struct err e = { 0 };
    CLEANUP(end_close) struct end b = end_open(LEASE_US, NULL);
    push(&b, "job", 1, 0);
    announce(&b);
    struct ticket t = pull_is(&b, "job", 1);
    char now[24];
    lua(redis_shared(),
        "local Q = KEYS[1]\n" /* as if all this had been said 70 s ago */
        "local ago = redis.call('HGET', Q, 'time') - 70000000\n"
        "redis.call('HSET', Q, 'time', string.format('%.0f', ago))\n"
        "redis.call('ZINCRBY', Q..':leases', -70000000, 'job')\n"
        "for _, w in ipairs(redis.call('ZRANGE', Q..':workers', 0, -1)) do\n"
        "  redis.call('ZINCRBY', Q..':workers', -70000000, w) end",
        Q, now, sizeof now);
    tend(&b);
    MUST(queue_extend(b.q, &t, &e));
    assert_int_equal(stats_of(&b).lease_expiries, 0);
    is_sound(1);
}

TEST(a_job_that_kills_every_worker_becomes_a_dead_letter)
{
    struct err e;
    enum { ATTEMPTS_MAX = 5 };
    CLEANUP(end_close) struct end b = end_open(LEASE_US, test_clock);
    push(&b, "poison", 1, 0);
    struct ticket t = { 0 };
    while (t.attempt < ATTEMPTS_MAX) {
        assert_int_equal(pull_within(&b, 0, &t), GOT_ONE); /* and the worker dies */
        pass_time(LEASE_US);
        tend(&b);
    }
    MUST(queue_bury(b.q, &t, "its workers died five times", &e));
    is_empty(&b);
    struct queue_view v;
    assert_int_equal(queue_look(b.q, "poison", &v, &e), GOT_ONE);
    assert_int_equal(v.place, PLACED_DEAD);
    assert_int_equal(v.attempt, ATTEMPTS_MAX);
    is_sound(1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(what_was_trimmed_from_a_stream_is_put_back, start_empty),
    cmocka_unit_test_setup(a_stream_that_was_deleted_is_made_again, start_empty),
    cmocka_unit_test_setup(a_group_that_was_deleted_is_made_again, start_empty),
    cmocka_unit_test_setup(a_lane_that_was_deleted_is_made_again, start_empty),
    cmocka_unit_test_setup(lists_of_what_is_leased_or_delayed_are_made_again, start_empty),
    cmocka_unit_test_setup(what_was_added_to_a_stream_by_hand_is_not_offered, start_empty),
    cmocka_unit_test_setup(dead_letters_that_were_trimmed_are_gone, start_empty),
    cmocka_unit_test_setup(an_entry_of_a_stream_deleted_by_hand_is_put_back, start_empty),
    cmocka_unit_test_setup(a_waiting_worker_survives_the_deletion_of_what_it_waits_on, start_empty),
    cmocka_unit_test_setup(a_full_memory_takes_nothing_in_and_lets_everything_out, start_empty),
    cmocka_unit_test_setup(a_waiting_worker_is_served_while_memory_is_full, start_empty),
    cmocka_unit_test_setup(a_restart_of_redis_loses_nothing_and_workers_find_back, start_empty),
    cmocka_unit_test_setup(a_push_whose_answer_came_too_late_may_be_repeated, start_empty),
    cmocka_unit_test_setup(a_pull_whose_answer_was_lost_gets_its_jobs_when_it_asks_again,
                           start_empty),
    cmocka_unit_test_setup(time_in_which_nobody_could_reach_redis_ends_no_lease, start_empty),
    cmocka_unit_test_setup(a_job_that_kills_every_worker_becomes_a_dead_letter, start_empty),
};

int main(void)
{
    if (!redis_is_here())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
