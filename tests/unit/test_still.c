/* SPDX-License-Identifier: Apache-2.0 */
/* test_still.c - a clock and a counter played by hand; a step is one look. */
#include "test.h"

#include "base/clock.h"
#include "sandbox/still.h"

struct play {
    struct still still;
    int64_t now_us, cpu_us;
    int changes;
};

static struct play begin(void)
{
    struct play p = { .now_us = 5 * US_PER_S };
    still_start(&p.still, p.now_us);
    return p;
}

/* So much time passes, looked at when due, with the program using so many percent of a core. */
static void pass(struct play *p, int64_t us, int percent)
{
    for (int64_t end = p->now_us + us; p->now_us < end;) {
        int64_t step = MIN(p->still.look_us, end) - p->now_us;
        p->now_us += step;
        p->cpu_us += step * percent / 100;
        if (p->now_us == p->still.look_us)
            p->changes += still_look(&p->still, p->now_us, p->cpu_us);
    }
}

TEST(a_short_run_is_never_looked_at)
{
    struct play p = begin();
    assert_true(p.still.look_us - p.now_us >= 20 * US_PER_MS);
}

TEST(a_program_that_sleeps_waits_until_it_computes)
{
    struct play p = begin();
    pass(&p, 50 * US_PER_MS, 0);
    assert_true(p.still.waiting);
    pass(&p, US_PER_S, 0);
    assert_true(p.still.waiting);
    assert_int_equal(p.changes, 1);
    pass(&p, 20 * US_PER_MS, 100);
    assert_false(p.still.waiting);
    assert_int_equal(p.changes, 2);
}

TEST(a_program_that_computes_never_waits)
{
    struct play p = begin();
    pass(&p, 5 * US_PER_S, 100);
    pass(&p, 5 * US_PER_S, 12); /* a core shared by eight */
    assert_int_equal(p.changes, 0);
}

TEST(a_little_work_now_and_then_does_not_end_the_waiting)
{
    struct play p = begin();
    pass(&p, US_PER_S, 1);
    assert_true(p.still.waiting);
    pass(&p, US_PER_S, 10);
    assert_true(p.still.waiting);
    assert_int_equal(p.changes, 1);
}

TEST(a_program_that_takes_turns_quickly_soon_counts_as_computing)
{
    struct play p = begin();
    for (int i = 0; i < 200; i++) { /* 20 s */
        pass(&p, 50 * US_PER_MS, 100);
        pass(&p, 50 * US_PER_MS, 0);
    }
    assert_false(p.still.waiting);
    assert_true(p.changes <= 4);
}

TEST(long_waits_are_believed_again)
{
    struct play p = begin();
    for (int i = 0; i < 20; i++) {
        pass(&p, 50 * US_PER_MS, 100);
        pass(&p, 50 * US_PER_MS, 0);
    }
    pass(&p, US_PER_S, 100);
    for (int i = 0; i < 3; i++) {
        pass(&p, 5 * US_PER_S, 0);
        assert_true(p.still.waiting);
        pass(&p, 100 * US_PER_MS, 100);
        assert_false(p.still.waiting);
    }
    assert_true(p.still.needed_us <= 30 * US_PER_MS);
}

TEST(a_program_that_works_one_second_in_two_lends_most_of_the_other)
{
    struct play p = begin();
    int64_t waited_us = 0;
    for (int i = 0; i < 10; i++) {
        pass(&p, US_PER_S, 100);
        for (int j = 0; j < 100; j++) {
            pass(&p, 10 * US_PER_MS, 0);
            waited_us += p.still.waiting ? 10 * US_PER_MS : 0;
        }
    }
    assert_true(waited_us > 9 * US_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_short_run_is_never_looked_at),
        T(a_program_that_sleeps_waits_until_it_computes),
        T(a_program_that_computes_never_waits),
        T(a_little_work_now_and_then_does_not_end_the_waiting),
        T(a_program_that_takes_turns_quickly_soon_counts_as_computing),
        T(long_waits_are_believed_again),
        T(a_program_that_works_one_second_in_two_lends_most_of_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
