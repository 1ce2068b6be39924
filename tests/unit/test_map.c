/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/map.h"

TEST(an_empty_map_holds_nothing)
{
    CLEANUP(map_done) struct map m = { 0 };
    size_t at = 0;
    assert_null(map_get(&m, "a"));
    assert_null(map_take(&m, "a"));
    assert_null(map_next(&m, &at));
}

TEST(what_is_put_is_found_until_it_is_taken)
{
    CLEANUP(map_done) struct map m = { 0 };
    int a, b;
    assert_null(map_put(&m, "a", &a));
    assert_null(map_put(&m, "", &b));
    assert_ptr_equal(map_get(&m, "a"), &a);
    assert_ptr_equal(map_get(&m, ""), &b);
    assert_null(map_get(&m, "A"));
    assert_ptr_equal(map_take(&m, "a"), &a);
    assert_null(map_get(&m, "a"));
    assert_null(map_take(&m, "a"));
    assert_int_equal(m.count, 1);
}

TEST(putting_again_replaces)
{
    CLEANUP(map_done) struct map m = { 0 };
    int a, b;
    assert_null(map_put(&m, "k", &a));
    assert_ptr_equal(map_put(&m, "k", &b), &a);
    assert_ptr_equal(map_get(&m, "k"), &b);
    assert_int_equal(m.count, 1);
}

TEST(keys_are_told_apart_by_every_byte)
{
    CLEANUP(map_done) struct map m = { 0 };
    char keys[41][42];
    for (int len = 0; len <= 40; len++) {
        memset(keys[len], 'x', (size_t)len);
        keys[len][len] = '\0';
        assert_null(map_put(&m, keys[len], keys[len]));
    }
    for (int len = 0; len <= 40; len++)
        assert_ptr_equal(map_get(&m, keys[len]), keys[len]);
    char other[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy";
    assert_null(map_get(&m, other));
}

/* Against a plain array: many keys come and go, the map grows and shrinks meanwhile. */
TEST(a_map_agrees_with_a_list_through_growth_and_shrinking)
{
    enum { KEYS = 3000, STEPS = 60000 };
    static char keys[KEYS][16];
    static bool there[KEYS];
    CLEANUP(map_done) struct map m = { 0 };
    size_t count = 0;
    unsigned random = 12345;
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof keys[i], "key-%d", i);

    for (int step = 0; step < STEPS; step++) {
        random = random * 1103515245u + 12345u;
        int k = (int)(random >> 8) % KEYS;
        /* First mostly in, later mostly out. */
        bool in = (int)(random >> 20) % 10 < (step < STEPS / 2 ? 7 : 2);
        if (in) {
            assert_int_equal(map_put(&m, keys[k], keys[k]) != NULL, there[k]);
            count += !there[k];
        } else {
            assert_int_equal(map_take(&m, keys[k]) != NULL, there[k]);
            count -= there[k];
        }
        there[k] = in;
        assert_int_equal(m.count, count);
    }
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(map_get(&m, keys[i]) == keys[i], there[i]);
    size_t at = 0, walked = 0;
    while (map_next(&m, &at))
        walked++;
    assert_int_equal(walked, count);
}

TEST(memory_is_given_back_when_a_burst_is_over)
{
    enum { KEYS = 10000 };
    static char keys[KEYS][16];
    CLEANUP(map_done) struct map m = { 0 };
    for (int i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "%d", i);
        map_put(&m, keys[i], keys[i]);
    }
    size_t most = m.capacity;
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(map_take(&m, keys[i]), keys[i]);
    assert_true(m.capacity < most / 100);
}

RUN_TESTS(T(an_empty_map_holds_nothing), T(what_is_put_is_found_until_it_is_taken),
          T(putting_again_replaces), T(keys_are_told_apart_by_every_byte),
          T(a_map_agrees_with_a_list_through_growth_and_shrinking),
          T(memory_is_given_back_when_a_burst_is_over))
