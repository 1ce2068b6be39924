/* SPDX-License-Identifier: Apache-2.0 */
/* What every queue promises, held against every backend. */
#include "queue_world.h"

/* ---- leases ---- */

QUEUE(an_empty_queue_offers_nothing)
{
    is_empty(q);
    assert_int_equal(stats_of(q).oldest_us, 0);
}

QUEUE(a_pushed_id_is_offered_once)
{
    int64_t before = wall_us();
    push(q, "a", 2, 0);
    struct ticket t = pull_is(q, "a", 1);
    assert_int_equal(t.priority, 2);
    assert_true(t.pushed_us >= before && t.pushed_us <= wall_us());
    is_empty(q);
}

QUEUE(an_acked_id_is_never_offered_again)
{
    push(q, "a", 1, 0);
    struct ticket t = pull(q);
    ack(q, &t);
    pass_time(10 * LEASE_US);
    is_empty(q);
    is_stale(q, &t);
    ack(q, &t); /* no error */
}

QUEUE(a_lease_that_ran_out_is_offered_again)
{
    push(q, "a", 1, 0);
    pull_is(q, "a", 1);
    pass_time(LEASE_US - 1);
    is_empty(q);
    pass_time(1);
    pull_is(q, "a", 2);
    assert_int_equal(stats_of(q).lease_expiries, 1);
}

QUEUE(an_extended_lease_is_kept)
{
    struct err e;
    push(q, "a", 1, 0);
    struct ticket t = pull(q);
    for (int i = 0; i < 5; i++) {
        pass_time(LEASE_US - 1);
        MUST(queue_extend(q, &t, &e));
    }
    pass_time(LEASE_US - 1);
    is_empty(q);
    pass_time(1);
    pull_is(q, "a", 2);
}

QUEUE(leases_run_out_in_their_own_time)
{
    struct err e;
    push(q, "a", 1, 0);
    push(q, "b", 1, 0);
    struct ticket a = pull_is(q, "a", 1);
    pass_time(10);
    pull_is(q, "b", 1);
    pass_time(10);
    MUST(queue_extend(q, &a, &e));
    pass_time(LEASE_US - 10);
    pull_is(q, "b", 2);
    is_empty(q);
}

QUEUE(a_ticket_is_stale_once_its_lease_ran_out)
{
    push(q, "a", 1, 0);
    struct ticket t = pull(q);
    pass_time(LEASE_US);
    is_stale(q, &t);
    pull_is(q, "a", 2);
}

QUEUE(a_stale_ticket_does_not_touch_the_next_lease)
{
    struct err e;
    push(q, "a", 1, 0);
    struct ticket first = pull(q);
    pass_time(LEASE_US);
    struct ticket second = pull_is(q, "a", 2);
    is_stale(q, &first);
    MUST(queue_extend(q, &second, &e));
    is_empty(q);
}

QUEUE(a_late_ack_ends_the_id_for_everybody)
{
    push(q, "a", 1, 0);
    push(q, "b", 1, 0);
    struct ticket a = pull_is(q, "a", 1);
    struct ticket b = pull_is(q, "b", 1);
    pass_time(LEASE_US);
    struct ticket again = pull_is(q, "a", 2);
    ack(q, &b); /* waits again */
    ack(q, &a); /* leased to another */
    is_stale(q, &again);
    ack(q, &again);
    pass_time(10 * LEASE_US);
    is_empty(q);
}

QUEUE(an_id_given_back_is_offered_at_once)
{
    struct err e;
    push(q, "a", 1, 0);
    struct ticket t = pull_is(q, "a", 1);
    MUST(queue_give_back(q, &t, 0, true, &e));
    is_stale(q, &t);
    pull_is(q, "a", 2);
}

QUEUE(an_id_given_back_with_a_delay_waits_for_it)
{
    struct err e;
    push(q, "a", 1, 0);
    struct ticket t = pull(q);
    MUST(queue_give_back(q, &t, 5000, true, &e));
    is_empty(q);
    pass_time(4999);
    is_empty(q);
    pass_time(1);
    pull_is(q, "a", 2);
}

QUEUE(an_attempt_can_be_taken_back)
{
    struct err e;
    push(q, "a", 1, 0);
    struct ticket t = pull_is(q, "a", 1);
    MUST(queue_give_back(q, &t, 0, false, &e));
    pull_is(q, "a", 1);
}

/* ---- pushing and dropping ---- */

QUEUE(pushing_an_id_again_changes_nothing)
{
    push(q, "a", 1, 0);
    push(q, "a", 2, 0); /* waiting */
    push(q, "d", 1, 5000);
    push(q, "d", 1, 0); /* delayed */
    struct ticket t = pull_is(q, "a", 1);
    assert_int_equal(t.priority, 1);
    push(q, "a", 1, 0); /* leased */
    is_empty(q);
    ack(q, &t);
    is_empty(q);
    pass_time(5000);
    pull_is(q, "d", 1);
}

QUEUE(a_delayed_id_waits_for_its_time)
{
    push(q, "late", 1, 2000);
    push(q, "later", 1, 3000);
    push(q, "now", 1, 0);
    assert_int_equal(stats_of(q).waiting[1], 3);
    pull_is(q, "now", 1);
    is_empty(q);
    pass_time(2000);
    pull_is(q, "late", 1);
    is_empty(q);
    pass_time(1000);
    pull_is(q, "later", 1);
}

QUEUE(a_delay_may_be_for_ever)
{
    push(q, "a", 1, INT64_MAX);
    pass_time(INT64_C(1) << 40);
    is_empty(q);
}

QUEUE(a_waiting_id_can_be_dropped)
{
    struct err e;
    push(q, "a", 1, 0);
    push(q, "b", 1, 5000);
    push(q, "c", 1, 0);
    assert_int_equal(queue_drop(q, "a", &e), GOT_ONE);
    assert_int_equal(queue_drop(q, "a", &e), GOT_NONE);
    assert_int_equal(queue_drop(q, "b", &e), GOT_ONE);
    pull_is(q, "c", 1);
    assert_int_equal(queue_drop(q, "c", &e), GOT_NONE); /* leased */
    assert_int_equal(queue_drop(q, "unknown", &e), GOT_NONE);
    pass_time(5000);
    is_empty(q);
    push(q, "a", 0, 0);
    pull_is(q, "a", 1);
}

QUEUE(stats_tell_what_waits_and_what_is_leased)
{
    int64_t before = wall_us();
    push(q, "a", 0, 0);
    push(q, "b", 1, 0);
    push(q, "c", 2, 5000);
    struct queue_stats s = stats_of(q);
    assert_int_equal(s.waiting[0], 1);
    assert_int_equal(s.waiting[1], 1);
    assert_int_equal(s.waiting[2], 1);
    assert_int_equal(s.leased, 0);
    assert_true(s.oldest_us >= before && s.oldest_us <= wall_us());

    pull(q);
    pull(q);
    s = stats_of(q);
    assert_int_equal(s.waiting[0] + s.waiting[1], 0);
    assert_int_equal(s.waiting[2], 1);
    assert_int_equal(s.leased, 2);
}

QUEUE(ids_are_any_text)
{
    push(q, "it's \"quoted\" \\ ?1 ; --", 1, 0);
    push(q, "", 1, 0);
    push(q, "\xff\xfe", 1, 0);
    pull_is(q, "it's \"quoted\" \\ ?1 ; --", 1);
    pull_is(q, "", 1);
    pull_is(q, "\xff\xfe", 1);
}

/* ---- waiting ---- */

struct puller {
    struct queue *q;
    struct ticket ticket;
    enum got got;
    _Atomic bool begun;
};

static void *pull_long(void *arg)
{
    struct puller *p = arg;
    struct err e;
    atomic_store(&p->begun, true);
    p->got = pull_one(p->q, 600 * US_PER_S, &p->ticket, &e);
    return NULL;
}

static pthread_t start_puller(struct puller *p, struct queue *q)
{
    *p = (struct puller){ .q = q };
    pthread_t thread = thread_start(pull_long, p);
    while (!atomic_load(&p->begun))
        sched_yield();
    return thread;
}

QUEUE(a_push_wakes_a_waiting_pull)
{
    struct puller p;
    pthread_t thread = start_puller(&p, q);
    push(q, "a", 1, 0);
    pthread_join(thread, NULL);
    assert_int_equal(p.got, GOT_ONE);
    assert_string_equal(p.ticket.id, "a");
}

QUEUE(giving_back_wakes_a_waiting_pull)
{
    struct err e;
    struct puller p;
    push(q, "a", 1, 0);
    struct ticket t = pull(q);
    pthread_t thread = start_puller(&p, q);
    MUST(queue_give_back(q, &t, 0, true, &e));
    pthread_join(thread, NULL);
    assert_int_equal(p.got, GOT_ONE);
    assert_int_equal(p.ticket.attempt, 2);
}

QUEUE(a_waiting_pull_gets_a_delayed_id_on_time)
{
    reopen(w, NULL); /* the real clock */
    struct err e;
    struct ticket t;
    push(w->q, "a", 1, 20000);
    int64_t begin = mono_us();
    assert_int_equal(pull_one(w->q, 600 * US_PER_S, &t, &e), GOT_ONE);
    assert_true(mono_us() - begin >= 20000 - 1000);
    assert_true(mono_us() - begin < 60 * US_PER_S);
}

QUEUE(a_pull_ends_when_its_time_is_over)
{
    struct err e;
    struct ticket t;
    int64_t begin = mono_us();
    assert_int_equal(pull_one(q, 10000, &t, &e), GOT_NONE);
    assert_true(mono_us() - begin >= 10000);
}

QUEUE(wake_ends_pulls_in_progress_and_later_ones)
{
    struct puller p[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = start_puller(&p[i], q);
    queue_wake(q);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(p[i].got, GOT_NONE);
    }
    push(q, "a", 1, 0);
    struct err e;
    struct ticket t;
    assert_int_equal(pull_one(q, 600 * US_PER_S, &t, &e), GOT_NONE);
}

/* ---- many at once ---- */

enum { IDS = 4000, PULLERS = 4 };

struct crowd {
    struct queue *q;
    _Atomic int seen[IDS];
    _Atomic int got;
};

static void *pull_and_ack(void *arg)
{
    struct crowd *crowd = arg;
    struct err e;
    struct ticket t;
    while (atomic_load(&crowd->got) < IDS) {
        if (pull_one(crowd->q, 1000, &t, &e) != GOT_ONE)
            continue;
        atomic_fetch_add(&crowd->got, 1);
        atomic_fetch_add(&crowd->seen[strtol(t.id, NULL, 10)], 1);
        if (!queue_ack(crowd->q, &t, &e))
            abort();
    }
    return NULL;
}

static void *push_all(void *arg)
{
    struct crowd *crowd = arg;
    char id[16];
    struct err e;
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "%d", i);
        if (!queue_push(crowd->q, &(struct queue_entry){ id, i % QUEUE_PRIORITIES, NULL, 0 }, &e))
            abort();
    }
    return NULL;
}

QUEUE(concurrent_pulls_get_different_ids)
{
    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    crowd.q = q;
    pthread_t threads[PULLERS + 2];
    for (int i = 0; i < PULLERS; i++)
        threads[i] = thread_start(pull_and_ack, &crowd);
    threads[PULLERS] = thread_start(push_all, &crowd);
    pthread_join(threads[PULLERS], NULL);
    for (int i = 0; i < PULLERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < IDS; i++)
        assert_int_equal(atomic_load(&crowd.seen[i]), 1);
    is_empty(q);
}

/* ---- restarts ---- */

QUEUE(a_restart_keeps_what_was_not_acked)
{
    if (!w->backend->survives)
        skip();
    struct err e;
    const char *const ids[] = { "acked", "leased", "waiting", "dropped", "back" };
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        push(q, ids[i], 1, 0);
    push(q, "high", 2, 0);
    push(q, "delayed", 1, 3600 * US_PER_S);
    int64_t pushed_us = pull_is(q, "high", 1).pushed_us;
    struct ticket t = pull_is(q, "acked", 1);
    ack(q, &t);
    pull_is(q, "leased", 1);
    assert_int_equal(queue_drop(q, "dropped", &e), GOT_ONE);

    reopen(w, test_clock);
    q = w->q;
    t = pull_is(q, "high", 2);
    assert_int_equal(t.pushed_us, pushed_us);
    assert_int_equal(t.priority, 2);
    pull_is(q, "leased", 2);
    pull_is(q, "waiting", 1);
    pull_is(q, "back", 1);
    is_empty(q);
    pass_time(3600 * US_PER_S);
    assert_int_equal(stats_of(q).waiting[1], 4); /* the leases ran out as well */
}

QUEUE(restarts_count_as_attempts)
{
    if (!w->backend->survives)
        skip();
    struct err e;
    push(q, "a", 1, 0);
    for (int attempt = 1; attempt <= 4; attempt++) {
        pull_is(w->q, "a", attempt);
        reopen(w, test_clock);
    }
    struct ticket t = pull_is(w->q, "a", 5);
    MUST(queue_give_back(w->q, &t, 0, false, &e));
    reopen(w, test_clock);
    pull_is(w->q, "a", 5);
}

QUEUE(new_ids_stand_behind_those_of_before_the_restart)
{
    if (!w->backend->survives)
        skip();
    push(q, "a", 1, 0);
    push(q, "b", 1, 0);
    reopen(w, test_clock);
    push(w->q, "c", 1, 0);
    push(w->q, "a", 1, 0); /* still there */
    reopen(w, test_clock);
    pull_is(w->q, "a", 1);
    pull_is(w->q, "b", 1);
    pull_is(w->q, "c", 1);
    is_empty(w->q);
}

QUEUE(a_ticket_of_before_the_restart_is_stale)
{
    if (!w->backend->survives)
        skip();
    push(q, "a", 1, 0);
    struct ticket old = pull(q);
    reopen(w, test_clock);
    struct ticket t = pull_is(w->q, "a", 2);
    is_stale(w->q, &old);
    ack(w->q, &t);
    reopen(w, test_clock);
    is_empty(w->q);
}

static const struct CMUnitTest tests[] = {
    T(an_empty_queue_offers_nothing),
    T(a_pushed_id_is_offered_once),
    T(an_acked_id_is_never_offered_again),
    T(a_lease_that_ran_out_is_offered_again),
    T(an_extended_lease_is_kept),
    T(leases_run_out_in_their_own_time),
    T(a_ticket_is_stale_once_its_lease_ran_out),
    T(a_stale_ticket_does_not_touch_the_next_lease),
    T(a_late_ack_ends_the_id_for_everybody),
    T(an_id_given_back_is_offered_at_once),
    T(an_id_given_back_with_a_delay_waits_for_it),
    T(an_attempt_can_be_taken_back),
    T(pushing_an_id_again_changes_nothing),
    T(a_delayed_id_waits_for_its_time),
    T(a_delay_may_be_for_ever),
    T(a_waiting_id_can_be_dropped),
    T(stats_tell_what_waits_and_what_is_leased),
    T(ids_are_any_text),
    T(a_push_wakes_a_waiting_pull),
    T(giving_back_wakes_a_waiting_pull),
    T(a_waiting_pull_gets_a_delayed_id_on_time),
    T(a_pull_ends_when_its_time_is_over),
    T(wake_ends_pulls_in_progress_and_later_ones),
    T(concurrent_pulls_get_different_ids),
    T(a_restart_keeps_what_was_not_acked),
    T(restarts_count_as_attempts),
    T(new_ids_stand_behind_those_of_before_the_restart),
    T(a_ticket_of_before_the_restart_is_stale),
};

int main(void)
{
    return RUN_ON_EVERY_BACKEND(tests, backends, setup, teardown);
}
