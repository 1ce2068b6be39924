/* SPDX-License-Identifier: Apache-2.0 */
/* In which order every queue offers what it has. Held against every backend. */
#include "queue_world.h"

QUEUE(first_in_is_first_out_inside_a_priority)
{
    char id[16];
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "%d", i);
        push(q, id, 1, 0);
    }
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "%d", i);
        pull_is(q, id, 1);
    }
}

QUEUE(who_comes_back_keeps_the_place_in_line)
{
    struct err e;
    const char *const ids[] = { "a", "b", "c", "d" };
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        push(q, ids[i], 1, 0);
    struct ticket a = pull_is(q, "a", 1);
    struct ticket b = pull_is(q, "b", 1);
    MUST(queue_give_back(q, &b, 0, true, &e));
    MUST(queue_give_back(q, &a, 0, true, &e));
    pull_is(q, "a", 2);
    pull_is(q, "b", 2);
    pull_is(q, "c", 1);
}

static void push_many(struct queue *q, int priority, int count)
{
    char id[32];
    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof id, "%d-%d", priority, i);
        push(q, id, priority, 0);
    }
}

QUEUE(priorities_share_eight_four_one)
{
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        push_many(q, p, 100);
    for (int round = 0; round < 5; round++) {
        int served[QUEUE_PRIORITIES] = { 0 };
        for (int i = 0; i < 13; i++)
            served[pull(q).priority]++;
        assert_int_equal(served[2], 8);
        assert_int_equal(served[1], 4);
        assert_int_equal(served[0], 1);
    }
}

QUEUE(low_does_not_starve_while_high_keeps_coming)
{
    push(q, "low", 0, 0);
    for (int i = 0; i < 13; i++) {
        char id[16];
        snprintf(id, sizeof id, "h%d", i);
        push(q, id, 2, 0);
        push(q, id + 1, 1, 0);
        if (pull(q).priority == 0)
            return;
    }
    fail_msg("13 turns without the low one");
}

QUEUE(nobody_saves_up_turns_while_away)
{
    push_many(q, 2, 60);
    for (int i = 0; i < 30; i++)
        pull(q);
    push_many(q, 0, 10);
    int low = 0;
    for (int i = 0; i < 9; i++)
        low += pull(q).priority == 0;
    assert_int_equal(low, 1);
}

QUEUE(a_priority_alone_gets_every_turn)
{
    push_many(q, 0, 40);
    for (int i = 0; i < 40; i++)
        assert_int_equal(pull(q).priority, 0);
    is_empty(q);
}

/* ---- tenants ---- */

QUEUE(tenants_take_turns)
{
    char id[32];
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof id, "a%d", i);
        push_for(q, "ann", id, 1);
    }
    push_for(q, "bob", "b0", 1);
    push_for(q, "bob", "b1", 1);
    push_for(q, NULL, "n0", 1);
    const char *const expected[] = { "a0", "b0", "n0", "a1", "b1", "a2", "a3", "a4", "a5" };
    list_is(q, PLACED_WAITING, 0, 100, " a0 b0 n0 a1 b1 a2 a3 a4 a5");
    list_is(q, PLACED_WAITING, 3, 2, " a1 b1");
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        pull_is(q, expected[i], 1);
    is_empty(q);
}

QUEUE(a_tenant_does_not_wait_behind_the_backlog_of_another)
{
    char id[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "a%d", i);
        push_for(q, "ann", id, 1);
    }
    for (int i = 0; i < 10; i++) {
        pull(q);
        snprintf(id, sizeof id, "b%d", i);
        push_for(q, "bob", id, 1);
        struct ticket first = pull(q), second = pull(q);
        assert_true(first.id[0] == 'b' || second.id[0] == 'b');
    }
}

QUEUE(many_tenants_get_equal_shares)
{
    enum { TENANTS = 20, EACH = 50 };
    char id[32], tenant[16];
    for (int t = 0; t < TENANTS; t++) {
        for (int i = 0; i < EACH * (1 + t % 3); i++) {
            snprintf(tenant, sizeof tenant, "t%d", t);
            snprintf(id, sizeof id, "%d-%d", t, i);
            push_for(q, tenant, id, t % 2);
        }
    }
    int served[TENANTS] = { 0 };
    for (int i = 0; i < 5 * 40; i++) /* 4 of 5 turns are for priority 1, among 10 tenants */
        served[strtol(pull(q).id, NULL, 10)]++;
    for (int t = 0; t < TENANTS; t++)
        assert_int_equal(served[t], t % 2 ? 16 : 4);
}

QUEUE(a_tenant_that_was_dropped_leaves_no_gap)
{
    struct err e;
    push_for(q, "ann", "a", 1);
    push_for(q, "bob", "b", 1);
    push_for(q, "eve", "c", 1);
    assert_int_equal(queue_drop(q, "b", &e), GOT_ONE);
    assert_int_equal(queue_drop(q, "a", &e), GOT_ONE);
    push_for(q, "bob", "b", 1);
    pull_is(q, "c", 1);
    pull_is(q, "b", 1);
    is_empty(q);
}

QUEUE(the_list_of_what_waits_is_the_order_it_is_offered_in)
{
    char id[32], tenant[16];
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "%d", i);
        snprintf(tenant, sizeof tenant, "t%d", i * i % 7);
        struct err e;
        MUST(queue_push(q, &(struct queue_entry){ id, i * 5 % 3, tenant, 0 }, &e));
    }
    for (int i = 0; i < 7; i++)
        pull(q);
    struct err e;
    CLEANUP(buf_done) struct buf listed = { 0 }, pulled = { 0 };
    for (int offset = 0; offset < 300; offset += 100)
        MUST(queue_list(q, PLACED_WAITING, offset, 100, add_id, &listed, &e));
    for (int i = 7; i < 300; i++)
        buf_addf(&pulled, " %s", pull(q).id);
    assert_string_equal(listed.ptr, pulled.ptr);
}

QUEUE(weights_hold_over_a_long_run)
{
    int served[QUEUE_PRIORITIES] = { 0 }, pushed = 0;
    char id[32];
    for (int i = 0; i < 3900; i++) {
        for (int p = 0; p < QUEUE_PRIORITIES; p++) { /* always more than is served */
            if (pushed > 3 * 60 + 3 * i)
                break;
            snprintf(id, sizeof id, "%d-%d", p, pushed++);
            push(q, id, p, 0);
        }
        struct ticket t = pull(q);
        served[t.priority]++;
        ack(q, &t);
    }
    assert_int_equal(served[2], 2400);
    assert_int_equal(served[1], 1200);
    assert_int_equal(served[0], 300);
}

QUEUE(a_delay_is_kept_at_every_priority)
{
    struct err e;
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        char id[2] = { (char)('a' + p) };
        push(q, id, p, 1000 * (p + 1));
    }
    is_empty(q);
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        char id[2] = { (char)('a' + p) };
        pass_time(999);
        is_empty(q);
        pass_time(1);
        struct ticket t = pull_is(q, id, 1);
        assert_int_equal(t.priority, p);
        MUST(queue_give_back(q, &t, 100000, true, &e));
    }
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        assert_int_equal(stats_of(q).waiting[p], 1);
    pass_time(100000);
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        assert_int_equal(pull(q).attempt, 2);
}

/* ---- against a plain list ---- */

enum { MODEL_IDS = 60, MODEL_STEPS = 6000 };

/* What a queue of one priority is, said as simply as it goes. */
struct model {
    struct {
        bool there, leased;
        int order; /* of its push */
        int attempts;
        int64_t due; /* ready or lease over from then on */
        struct ticket ticket;
    } ids[MODEL_IDS];
    int pushes;
};

static int model_next(const struct model *m)
{
    int best = -1;
    for (int i = 0; i < MODEL_IDS; i++)
        if (m->ids[i].there && m->ids[i].due <= test_clock() &&
            (best < 0 || m->ids[i].order < m->ids[best].order))
            best = i;
    return best;
}

static void model_pull(struct model *m, struct queue *q)
{
    struct err e;
    struct ticket t;
    int expected = model_next(m);
    enum got got = pull_one(q, 0, &t, &e);
    assert_int_equal(got, expected < 0 ? GOT_NONE : GOT_ONE);
    if (expected < 0)
        return;
    assert_int_equal(strtol(t.id, NULL, 10), expected);
    assert_int_equal(t.attempt, ++m->ids[expected].attempts);
    m->ids[expected].leased = true;
    m->ids[expected].due = test_clock() + LEASE_US;
    m->ids[expected].ticket = t;
}

static void model_push(struct model *m, struct queue *q, int i, int64_t delay_us)
{
    char id[16];
    snprintf(id, sizeof id, "%d", i);
    push(q, id, 1, delay_us);
    if (m->ids[i].there)
        return;
    memset(&m->ids[i], 0, sizeof m->ids[i]);
    m->ids[i].there = true;
    m->ids[i].order = m->pushes++;
    m->ids[i].due = test_clock() + delay_us;
}

static bool model_holds(const struct model *m, int i)
{
    return m->ids[i].there && m->ids[i].leased && m->ids[i].due > test_clock();
}

static void model_step(struct model *m, struct queue *q, unsigned random)
{
    struct err e;
    int i = (int)(random >> 12) % MODEL_IDS;
    int64_t us = (int64_t)(random >> 20) * LEASE_US / 4096;
    bool holds = model_holds(m, i);
    char id[16];
    snprintf(id, sizeof id, "%d", i);

    switch (random % 8) {
    case 0:
    case 1:
        model_push(m, q, i, us % 3 ? 0 : us);
        break;
    case 2:
    case 3:
        model_pull(m, q);
        break;
    case 4:
        assert_int_equal(queue_drop(q, id, &e), m->ids[i].there && !holds);
        m->ids[i].there &= holds;
        break;
    case 5:
        assert_int_equal(queue_extend(q, &m->ids[i].ticket, &e), holds);
        if (holds)
            m->ids[i].due = test_clock() + LEASE_US;
        break;
    case 6:
        assert_int_equal(queue_give_back(q, &m->ids[i].ticket, us, true, &e), holds);
        if (holds) {
            m->ids[i].leased = false;
            m->ids[i].due = test_clock() + us;
        }
        break;
    default:
        pass_time(us / 8);
    }
}

QUEUE(thousands_of_random_steps_agree_with_a_list)
{
    static struct model m;
    memset(&m, 0, sizeof m);
    unsigned random = 4711;
    for (int step = 0; step < MODEL_STEPS; step++) {
        random = random * 1664525u + 1013904223u;
        unsigned mixed = random ^ random >> 16;
        model_step(&m, q, mixed * 2654435761u >> 1);
    }
}

static const struct CMUnitTest tests[] = {
    T(first_in_is_first_out_inside_a_priority),
    T(who_comes_back_keeps_the_place_in_line),
    T(priorities_share_eight_four_one),
    T(low_does_not_starve_while_high_keeps_coming),
    T(nobody_saves_up_turns_while_away),
    T(a_priority_alone_gets_every_turn),
    T(tenants_take_turns),
    T(a_tenant_does_not_wait_behind_the_backlog_of_another),
    T(many_tenants_get_equal_shares),
    T(a_tenant_that_was_dropped_leaves_no_gap),
    T(the_list_of_what_waits_is_the_order_it_is_offered_in),
    T(weights_hold_over_a_long_run),
    T(a_delay_is_kept_at_every_priority),
    T(thousands_of_random_steps_agree_with_a_list),
};

int main(void)
{
    return RUN_ON_EVERY_BACKEND(tests, backends, setup, teardown);
}
