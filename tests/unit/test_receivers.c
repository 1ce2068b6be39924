/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "webhook/receivers.h"

enum { LEASE = 1000000, TIME = 10 };

static bool add(struct receivers *rs, const char *host, int n, int64_t lease_us)
{
    struct delivery d = { .kind = DELIVERY_WEBHOOK, .attempts = n };
    bool bad;
    snprintf(d.id, sizeof d.id, "%s-%d", host, n);
    snprintf(d.url, sizeof d.url, "http://%s/%d", host, n);
    bool ok = receivers_add(rs, &d, lease_us, &bad);
    assert_false(bad);
    return ok;
}

static struct held *next(struct receivers *rs)
{
    return receivers_next(rs, 0, TIME);
}

/* Run what may run now, and let all of it end. Returns how many there were. */
static int round_of(struct receivers *rs, bool well)
{
    struct held *running[256];
    int count = 0;
    while (count < 256 && (running[count] = next(rs)))
        count++;
    for (int i = 0; i < count; i++)
        receivers_done(rs, running[i], well);
    return count;
}

static struct receivers *receivers_of(int transfers, int unproven, int per_receiver, int waiting)
{
    return receivers_new(&(struct receivers_config){ .transfers = transfers,
                                                     .unproven = unproven,
                                                     .per_receiver = per_receiver,
                                                     .waiting = waiting });
}

TEST(a_receivers_deliveries_go_out_in_their_order)
{
    struct receivers *rs = receivers_of(0, 0, 0, 0);
    for (int i = 0; i < 5; i++)
        assert_true(add(rs, "a.example", i, LEASE));
    for (int i = 0; i < 5; i++) {
        struct held *h = next(rs);
        assert_non_null(h);
        assert_int_equal(h->attempts, i);
        assert_string_equal(receiver_name(h->receiver), "a.example:80");
        assert_null(next(rs)); /* one at a time until it has answered */
        receivers_done(rs, h, false);
    }
    assert_null(next(rs));
    assert_int_equal(receivers_waiting(rs) + receivers_running(rs), 0);
    receivers_free(rs);
}

TEST(who_answers_well_gets_more_and_who_fails_one_again)
{
    struct receivers *rs = receivers_of(100, 100, 8, 1000);
    for (int i = 0; i < 60; i++)
        assert_true(add(rs, "a.example", i, LEASE));
    assert_int_equal(round_of(rs, true), 1);
    assert_int_equal(round_of(rs, true), 2);
    assert_int_equal(round_of(rs, true), 8); /* both doubled it */
    assert_int_equal(round_of(rs, true), 8);
    assert_int_equal(round_of(rs, false), 8);
    assert_int_equal(round_of(rs, false), 1);
    assert_int_equal(round_of(rs, true), 1);
    assert_int_equal(round_of(rs, true), 2);
    receivers_free(rs);
}

TEST(all_transfers_together_are_bounded)
{
    struct receivers *rs = receivers_of(4, 4, 8, 1000);
    for (int i = 0; i < 60; i++)
        add(rs, "a.example", i, LEASE);
    assert_int_equal(round_of(rs, true) + round_of(rs, true), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(round_of(rs, true), 4);
    receivers_free(rs);
}

TEST(receivers_take_turns)
{
    struct receivers *rs = receivers_of(100, 100, 1, 1000);
    for (int i = 0; i < 3; i++) {
        add(rs, "a.example", i, LEASE);
        add(rs, "b.example", i, LEASE);
    }
    add(rs, "c.example", 0, LEASE);
    char order[8] = "";
    for (size_t i = 0; i < 7; i++) {
        struct held *h = next(rs);
        assert_non_null(h);
        order[i] = receiver_name(h->receiver)[0];
        receivers_done(rs, h, true);
    }
    assert_string_equal(order, "abcabab");
    receivers_free(rs);
}

TEST(those_that_do_not_answer_leave_room_for_those_that_do)
{
    struct receivers *rs = receivers_of(10, 6, 4, 1000);
    add(rs, "good.example", 0, LEASE);
    assert_int_equal(round_of(rs, true), 1);
    char host[32];
    for (int i = 0; i < 50; i++) {
        snprintf(host, sizeof host, "slow%d.example", i);
        assert_true(add(rs, host, 0, LEASE));
    }
    struct held *slow[6], *good[2];
    for (int i = 0; i < 6; i++)
        assert_non_null(slow[i] = next(rs));
    assert_null(next(rs)); /* six hang; that is their share */
    for (int i = 0; i < 3; i++)
        add(rs, "good.example", i, LEASE);
    for (int i = 0; i < 2; i++) {
        assert_non_null(good[i] = next(rs));
        assert_string_equal(receiver_name(good[i]->receiver), "good.example:80");
    }
    receivers_done(rs, good[0], true);
    receivers_done(rs, good[1], true);
    receivers_done(rs, slow[0], false);
    assert_int_equal(receivers_running(rs), 5);
    for (int i = 1; i < 6; i++)
        receivers_done(rs, slow[i], true); /* proven now: no longer of that share */
    /* the good one's third, and six who are new */
    assert_int_equal(round_of(rs, false), 7);
    receivers_free(rs);
}

TEST(a_receiver_that_begins_to_fail_joins_the_share_of_those_who_do)
{
    struct receivers *rs = receivers_of(10, 3, 4, 1000);
    struct held *h[4];
    for (int i = 0; i < 20; i++)
        add(rs, "a.example", i, LEASE);
    assert_int_equal(round_of(rs, true) + round_of(rs, true), 3);
    for (int i = 0; i < 4; i++)
        assert_non_null(h[i] = next(rs));
    receivers_done(rs, h[0], false); /* the other three count as hanging now */
    add(rs, "new.example", 0, LEASE);
    assert_null(next(rs));
    receivers_done(rs, h[1], false);
    struct held *new = next(rs);
    assert_string_equal(receiver_name(new->receiver), "new.example:80");
    assert_null(next(rs));
    receivers_done(rs, h[2], true); /* proven again, and so is the fourth */
    assert_non_null(h[0] = next(rs));
    receivers_done(rs, h[0], true);
    receivers_done(rs, h[3], true);
    receivers_done(rs, new, true);
    receivers_free(rs);
}

TEST(what_waits_is_bounded_and_lower_for_those_that_do_not_answer)
{
    struct receivers *rs = receivers_of(10, 10, 4, 1000);
    int taken = 0;
    while (add(rs, "new.example", taken, LEASE))
        taken++;
    assert_int_equal(taken, 64);
    add(rs, "good.example", 0, LEASE);
    struct held *new = next(rs), *h = next(rs);
    assert_string_equal(receiver_name(h->receiver), "good.example:80");
    receivers_done(rs, h, true);
    receivers_done(rs, new, false);
    for (taken = 0; add(rs, "good.example", taken, LEASE); taken++)
        ;
    assert_int_equal(taken, 500);
    char host[32];
    for (int i = 0; receivers_have_room(rs); i++) {
        snprintf(host, sizeof host, "x%d.example", i);
        assert_true(add(rs, host, 0, LEASE));
    }
    assert_int_equal(receivers_waiting(rs), 1000);
    assert_false(add(rs, "y.example", 0, LEASE));
    receivers_free(rs);
}

TEST(a_lease_that_ends_too_soon_is_let_go)
{
    struct receivers *rs = receivers_of(0, 0, 0, 0);
    add(rs, "a.example", 0, 100);
    add(rs, "a.example", 1, 200);
    add(rs, "b.example", 0, 100);
    struct held *h = receivers_next(rs, 150, TIME);
    assert_non_null(h);
    assert_int_equal(h->attempts, 1);
    assert_null(receivers_next(rs, 150, TIME));
    assert_int_equal(receivers_waiting(rs), 0);
    receivers_done(rs, h, true);
    add(rs, "a.example", 2, 160); /* ends while it would be sent */
    assert_null(receivers_next(rs, 150, TIME));
    receivers_free(rs);
}

TEST(what_is_put_back_is_first_again)
{
    struct receivers *rs = receivers_of(0, 0, 0, 0);
    for (int i = 0; i < 2; i++)
        add(rs, "a.example", i, LEASE);
    struct held *h = next(rs);
    receivers_put_back(rs, h);
    assert_int_equal(receivers_running(rs), 0);
    assert_int_equal(receivers_waiting(rs), 2);
    for (int i = 0; i < 2; i++) {
        h = next(rs);
        assert_int_equal(h->attempts, i);
        receivers_done(rs, h, true);
    }
    add(rs, "b.example", 7, LEASE);
    h = next(rs);
    receivers_put_back(rs, h);
    add(rs, "b.example", 8, LEASE);
    h = next(rs);
    assert_int_equal(h->attempts, 7);
    receivers_done(rs, h, true);
    h = next(rs);
    assert_int_equal(h->attempts, 8);
    receivers_done(rs, h, true);
    receivers_free(rs);
}

TEST(a_receiver_is_a_host_and_a_port_whatever_the_credentials)
{
    struct receivers *rs = receivers_of(0, 0, 0, 0);
    struct delivery d = { .kind = DELIVERY_CALLBACK, .id = "cb_1" };
    bool bad;
    static const char *const urls[] = { "http://a.example/x", "http://me:you@A.example:80/y" };
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        snprintf(d.url, sizeof d.url, "%s", urls[i]);
        assert_true(receivers_add(rs, &d, LEASE, &bad));
    }
    struct held *h = next(rs);
    assert_null(next(rs)); /* the same one */
    receivers_done(rs, h, true);
    snprintf(d.url, sizeof d.url, "nothing");
    assert_false(receivers_add(rs, &d, LEASE, &bad));
    assert_true(bad);
    receivers_free(rs);
}

TEST(countless_receivers_are_forgotten_again)
{
    struct receivers *rs = receivers_of(0, 0, 0, 0);
    char host[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(host, sizeof host, "h%d.example", i);
        assert_true(add(rs, host, 0, LEASE));
        receivers_done(rs, next(rs), i % 2);
    }
    assert_int_equal(receivers_waiting(rs), 0);
    assert_int_equal(receivers_known(rs), 4096);
    receivers_free(rs);
}

RUN_TESTS(T(a_receivers_deliveries_go_out_in_their_order),
          T(who_answers_well_gets_more_and_who_fails_one_again),
          T(all_transfers_together_are_bounded), T(receivers_take_turns),
          T(those_that_do_not_answer_leave_room_for_those_that_do),
          T(a_receiver_that_begins_to_fail_joins_the_share_of_those_who_do),
          T(what_waits_is_bounded_and_lower_for_those_that_do_not_answer),
          T(a_lease_that_ends_too_soon_is_let_go), T(what_is_put_back_is_first_again),
          T(a_receiver_is_a_host_and_a_port_whatever_the_credentials),
          T(countless_receivers_are_forgotten_again))
