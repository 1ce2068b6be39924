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

/* ---- several at once ---- */

QUEUE(a_pull_takes_what_is_ready_up_to_its_limit)
{
    struct err e;
    struct ticket t[4] = { 0 };
    int count;
    char id[2] = "a";
    for (; *id <= 'f'; (*id)++)
        push(q, id, 1, *id == 'f' ? 5000 : 0);
    assert_int_equal(queue_pull(q, 0, t, 4, &count, &e), GOT_ONE);
    assert_int_equal(count, 4);
    assert_string_equal(t[0].id, "a");
    assert_string_equal(t[3].id, "d");
    assert_int_equal(queue_pull(q, 600 * US_PER_S, t, 4, &count, &e), GOT_ONE);
    assert_int_equal(count, 1);
    assert_string_equal(t[0].id, "e");
    assert_int_equal(queue_pull(q, 0, t, 4, &count, &e), GOT_NONE);
    assert_int_equal(count, 0);
}

/* ---- dead letters ---- */

QUEUE(a_buried_id_is_never_offered_again_and_keeps_its_reason)
{
    int64_t before = wall_us();
    push_for(q, "ann", "a", 2);
    push(q, "b", 1, 0);
    struct ticket t = pull_is(q, "a", 1);
    bury(q, &t, "the box would not start");
    pass_time(10 * LEASE_US);
    is_stale(q, &t);
    struct queue_view v = look(q, "a");
    assert_int_equal(v.place, PLACED_DEAD);
    assert_string_equal(v.reason, "the box would not start");
    assert_string_equal(v.tenant, "ann");
    assert_int_equal(v.priority, 2);
    assert_int_equal(v.attempt, 1);
    assert_true(v.due_us >= before && v.due_us <= wall_us());
    assert_int_equal(stats_of(q).dead, 1);
    push(q, "a", 2, 0); /* changes nothing */
    pull_is(q, "b", 1);
    is_empty(q);
}

QUEUE(burying_works_after_the_lease_ran_out_too)
{
    push(q, "a", 1, 0);
    push(q, "b", 1, 0);
    struct ticket a = pull_is(q, "a", 1);
    struct ticket b = pull_is(q, "b", 1);
    pass_time(LEASE_US);
    struct ticket again = pull_is(q, "a", 2);
    bury(q, &b, "b is bad"); /* waits again */
    bury(q, &a, "a is bad"); /* leased to another */
    is_stale(q, &again);
    bury(q, &again, "said too late");
    ack(q, &again); /* a dead letter stays one */
    assert_string_equal(look(q, "a").reason, "a is bad");
    assert_int_equal(look(q, "a").attempt, 2);
    is_empty(q);
    list_is(q, PLACED_DEAD, 0, 10, " a b");
    struct ticket unknown = { .id = "unknown", .receipt = "1-1" };
    bury(q, &unknown, "no error");
    assert_int_equal(stats_of(q).dead, 2);
}

QUEUE(a_dead_letter_can_be_retried)
{
    struct err e;
    push_for(q, "ann", "a", 1);
    push(q, "b", 1, 0);
    struct ticket t = pull_is(q, "a", 1);
    assert_int_equal(queue_retry(q, "a", &e), GOT_NONE); /* leased */
    bury(q, &t, "bad");
    assert_int_equal(queue_retry(q, "a", &e), GOT_ONE);
    assert_int_equal(queue_retry(q, "a", &e), GOT_NONE);
    assert_int_equal(queue_retry(q, "unknown", &e), GOT_NONE);
    assert_int_equal(stats_of(q).dead, 0);
    assert_string_equal(look(q, "a").tenant, "ann");
    pull_is(q, "b", 1);
    t = pull_is(q, "a", 1);
    ack(q, &t);
    is_empty(q);
}

QUEUE(a_dead_letter_can_be_dropped)
{
    struct err e;
    push(q, "a", 1, 0);
    struct ticket t = pull(q);
    bury(q, &t, "bad");
    assert_int_equal(queue_drop(q, "a", &e), GOT_ONE);
    assert_int_equal(stats_of(q).dead, 0);
    struct queue_view v;
    assert_int_equal(queue_look(q, "a", &v, &e), GOT_NONE);
    push(q, "a", 1, 0);
    pull_is(q, "a", 1);
}

QUEUE(a_long_reason_is_cut)
{
    char reason[600];
    memset(reason, 'x', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    push(q, "a", 1, 0);
    struct ticket t = pull(q);
    bury(q, &t, reason);
    assert_int_equal(strlen(look(q, "a").reason), REASON_TEXT - 1);
}

/* ---- pause ---- */

static void pause_queue(struct queue *q, bool paused)
{
    struct err e;
    MUST(queue_pause(q, paused, &e));
    assert_int_equal(stats_of(q).paused, paused);
}

QUEUE(nothing_is_offered_while_paused)
{
    struct err e;
    push(q, "a", 1, 0);
    struct ticket t = pull(q);
    push(q, "b", 1, 0);
    pause_queue(q, true);
    pause_queue(q, true);
    push(q, "c", 2, 0);
    MUST(queue_extend(q, &t, &e));
    MUST(queue_give_back(q, &t, 0, true, &e));
    is_empty(q);
    assert_int_equal(stats_of(q).waiting[1], 2);
    assert_int_equal(queue_drop(q, "b", &e), GOT_ONE);
    assert_int_equal(pull_one(q, 3000, &t, &e), GOT_NONE);
    pause_queue(q, false);
    pull_is(q, "c", 1);
    pull_is(q, "a", 2);
    is_empty(q);
}

QUEUE(a_pause_survives_restarts)
{
    if (!w->backend->survives)
        skip();
    pause_queue(q, true);
    push(q, "a", 1, 0);
    reopen(w, test_clock);
    is_empty(w->q);
    assert_true(stats_of(w->q).paused);
    pause_queue(w->q, false);
    reopen(w, test_clock);
    pull_is(w->q, "a", 1);
}

/* ---- looking ---- */

QUEUE(a_look_tells_place_times_and_attempts)
{
    struct err e;
    struct queue_view v;
    int64_t before = wall_us();
    push_for(q, "ann", "a", 2);
    push(q, "later", 0, 3600 * US_PER_S);
    assert_int_equal(queue_look(q, "unknown", &v, &e), GOT_NONE);

    v = look(q, "a");
    assert_int_equal(v.place, PLACED_WAITING);
    assert_int_equal(v.priority, 2);
    assert_int_equal(v.attempt, 0);
    assert_string_equal(v.tenant, "ann");
    assert_true(v.pushed_us >= before && v.pushed_us <= wall_us());
    v = look(q, "later");
    assert_int_equal(v.place, PLACED_DELAYED);
    assert_true(v.due_us >= before + 3600 * US_PER_S && v.due_us <= wall_us() + 3600 * US_PER_S);
    assert_string_equal(v.tenant, "");

    struct ticket t = pull(q);
    v = look(q, "a");
    assert_int_equal(v.place, PLACED_LEASED);
    assert_int_equal(v.attempt, 1);
    assert_true(v.due_us >= before + LEASE_US && v.due_us <= wall_us() + LEASE_US);
    MUST(queue_give_back(q, &t, 0, true, &e));
    assert_int_equal(look(q, "a").attempt, 1);
    assert_int_equal(look(q, "a").place, PLACED_WAITING);
}

QUEUE(lists_show_each_place_in_its_order)
{
    const char *const ids[] = { "a", "b", "c", "d", "e" };
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        push(q, ids[i], 1, 0);
    push(q, "w1", 1, 0);
    push(q, "w2", 1, 0);
    push(q, "late2", 2, 9000);
    push(q, "late1", 0, 5000);
    struct ticket t[5];
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        t[i] = pull_is(q, ids[i], 1);
        pass_time(1);
    }
    bury(q, &t[3], "x");
    bury(q, &t[1], "y");
    struct err e;
    MUST(queue_extend(q, &t[0], &e));

    list_is(q, PLACED_WAITING, 0, 10, " w1 w2");
    list_is(q, PLACED_DELAYED, 0, 10, " late1 late2");
    list_is(q, PLACED_LEASED, 0, 10, " c e a");
    list_is(q, PLACED_DEAD, 0, 10, " b d");
    list_is(q, PLACED_WAITING, 1, 10, " w2");
    list_is(q, PLACED_DELAYED, 1, 1, " late2");
    list_is(q, PLACED_LEASED, 1, 1, " e");
    list_is(q, PLACED_DEAD, 1, 5, " d");
    list_is(q, PLACED_DEAD, 2, 5, "");
    list_is(q, PLACED_WAITING, 5, 5, "");
}

QUEUE(the_age_is_that_of_what_could_run)
{
    push(q, "later", 1, 3600 * US_PER_S);
    assert_int_equal(stats_of(q).oldest_us, 0);
    push(q, "a", 1, 0);
    int64_t pushed_us = look(q, "a").pushed_us;
    push(q, "b", 2, 0);
    assert_int_equal(stats_of(q).oldest_us, pushed_us);
    struct ticket t = pull_is(q, "b", 1);
    ack(q, &t);
    t = pull_is(q, "a", 1);
    assert_int_equal(stats_of(q).oldest_us, 0);
}

/* ---- workers ---- */

static void see_worker(void *arg, const struct queue_worker *w)
{
    struct queue_worker *seen = arg;
    assert_string_equal(w->languages, "[{\"id\":\"c\"}]");
    *seen = *w;
}

QUEUE(a_worker_announces_itself)
{
    struct err e;
    struct queue_worker seen = { 0 };
    int64_t before = wall_us();
    MUST(queue_workers(q, see_worker, &seen, &e));
    assert_string_equal(seen.name, "");
    for (int running = 1; running <= 2; running++)
        MUST(queue_announce(q,
                            &(struct queue_worker){ .name = "ignored",
                                                    .slots = 4,
                                                    .running = running,
                                                    .started_us = 77,
                                                    .languages = "[{\"id\":\"c\"}]" },
                            &e));
    MUST(queue_workers(q, see_worker, &seen, &e));
    assert_true(strlen(seen.name) > 0 && strcmp(seen.name, "ignored") != 0);
    assert_int_equal(seen.slots, 4);
    assert_int_equal(seen.running, 2);
    assert_int_equal(seen.started_us, 77);
    assert_true(seen.seen_us >= before && seen.seen_us <= wall_us());
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

QUEUE(an_earlier_delay_is_noticed_by_a_pull_that_waits_for_a_later_one)
{
    reopen(w, NULL);
    push(w->q, "later", 1, 300 * US_PER_S);
    struct puller p;
    pthread_t thread = start_puller(&p, w->q);
    push(w->q, "sooner", 1, 30000);
    int64_t begin = mono_us();
    pthread_join(thread, NULL);
    assert_int_equal(p.got, GOT_ONE);
    assert_string_equal(p.ticket.id, "sooner");
    assert_true(mono_us() - begin < 60 * US_PER_S);
}

QUEUE(going_on_after_a_pause_wakes_a_waiting_pull)
{
    struct puller p;
    pause_queue(q, true);
    push(q, "a", 1, 0);
    pthread_t thread = start_puller(&p, q);
    pause_queue(q, false);
    pthread_join(thread, NULL);
    assert_int_equal(p.got, GOT_ONE);
}

QUEUE(tending_changes_nothing_that_is_well)
{
    struct err e;
    push(q, "a", 1, 0);
    push(q, "b", 1, 0);
    push(q, "c", 1, 5000);
    struct ticket t = pull_is(q, "a", 1);
    struct ticket dead = pull_is(q, "b", 1);
    bury(q, &dead, "x");
    push(q, "d", 1, 0);
    for (int i = 0; i < 3; i++)
        MUST(queue_tend(q, &e));
    MUST(queue_extend(q, &t, &e));
    pull_is(q, "d", 1);
    is_empty(q);
    assert_int_equal(stats_of(q).dead, 1);
    assert_int_equal(stats_of(q).waiting[1], 1);
    assert_int_equal(stats_of(q).leased, 2);
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

QUEUE(dead_letters_survive_a_restart)
{
    if (!w->backend->survives)
        skip();
    struct err e;
    const char *const ids[] = { "a", "b", "c" };
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        push_for(q, "ann", ids[i], 1);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct ticket t = pull_is(q, ids[i], 1);
        bury(q, &t, ids[i]);
        struct timespec moment = { 0, 2000000 }; /* the order of deaths is kept by the wall clock */
        nanosleep(&moment, NULL);
    }
    reopen(w, test_clock);
    q = w->q;
    is_empty(q);
    list_is(q, PLACED_DEAD, 0, 10, " c b a");
    struct queue_view v = look(q, "b");
    assert_string_equal(v.reason, "b");
    assert_string_equal(v.tenant, "ann");
    assert_int_equal(v.attempt, 1);
    assert_int_equal(queue_retry(q, "a", &e), GOT_ONE);
    push(q, "z", 1, 0);
    reopen(w, test_clock);
    list_is(w->q, PLACED_DEAD, 0, 10, " c b");
    list_is(w->q, PLACED_WAITING, 0, 10, " a z");
    pull_is(w->q, "a", 1);
}

static bool write_old_rows(struct db_conn *c, UNUSED void *arg, struct err *e)
{
    return db_exec(c,
                   "INSERT INTO queue(seq, id, priority, pushed_us, ready_us, attempts)"
                   " VALUES(3, 'a', 1, 77, 0, 1), (7, 'b', 1, 78, 0, 0)",
                   e);
}

QUEUE(the_file_of_a_version_without_tenants_is_brought_up_to_date)
{
    if (strcmp(w->backend->name, "sqlite") != 0)
        skip();
    static const char *const first_schema[] = {
        "CREATE TABLE queue(seq INTEGER PRIMARY KEY, id TEXT NOT NULL, priority INTEGER NOT NULL,"
        " pushed_us INTEGER NOT NULL, ready_us INTEGER NOT NULL, attempts INTEGER NOT NULL)"
    };
    struct err e;
    char path[80];
    snprintf(path, sizeof path, "%s/old.db", w->folder);
    CLEANUP(db_close) struct db *db = db_open(path, &e);
    MUST(db);
    MUST(db_migrate(db, "queue", first_schema, 1, &e));
    MUST(db_write_wait(db, write_old_rows, NULL, &e));

    CLEANUP(queue_close)
    struct queue *old = queue_sqlite_open(db, &(struct queue_config){ LEASE_US, test_clock }, &e);
    MUST(old);
    push_for(old, "ann", "c", 1);
    struct ticket t = pull_is(old, "a", 2);
    assert_int_equal(t.pushed_us, 77);
    bury(old, &t, "bad");
    pull_is(old, "c", 1); /* ann's turn */
    pull_is(old, "b", 1);
    assert_int_equal(stats_of(old).dead, 1);
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
    T(a_pull_takes_what_is_ready_up_to_its_limit),
    T(a_buried_id_is_never_offered_again_and_keeps_its_reason),
    T(burying_works_after_the_lease_ran_out_too),
    T(a_dead_letter_can_be_retried),
    T(a_dead_letter_can_be_dropped),
    T(a_long_reason_is_cut),
    T(nothing_is_offered_while_paused),
    T(a_pause_survives_restarts),
    T(a_look_tells_place_times_and_attempts),
    T(lists_show_each_place_in_its_order),
    T(the_age_is_that_of_what_could_run),
    T(a_worker_announces_itself),
    T(a_push_wakes_a_waiting_pull),
    T(giving_back_wakes_a_waiting_pull),
    T(a_waiting_pull_gets_a_delayed_id_on_time),
    T(an_earlier_delay_is_noticed_by_a_pull_that_waits_for_a_later_one),
    T(going_on_after_a_pause_wakes_a_waiting_pull),
    T(tending_changes_nothing_that_is_well),
    T(a_pull_ends_when_its_time_is_over),
    T(wake_ends_pulls_in_progress_and_later_ones),
    T(concurrent_pulls_get_different_ids),
    T(a_restart_keeps_what_was_not_acked),
    T(restarts_count_as_attempts),
    T(new_ids_stand_behind_those_of_before_the_restart),
    T(a_ticket_of_before_the_restart_is_stale),
    T(dead_letters_survive_a_restart),
    T(the_file_of_a_version_without_tenants_is_brought_up_to_date),
};

int main(void)
{
    return RUN_ON_EVERY_BACKEND(tests, backends, setup, teardown);
}
