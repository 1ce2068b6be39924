/* SPDX-License-Identifier: Apache-2.0 */
/* test.h - cmocka under short names: TEST(name_is_a_sentence) { assert_...; } then RUN_TESTS(T(a),
 * T(b)). */
#ifndef EVALX_TESTS_UNIT_TEST_H
#define EVALX_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attr.h"
#include "base/err.h"

#define TEST(name) static void name(UNUSED void **state)
#define T(name)    cmocka_unit_test(name)
#define RUN_TESTS(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                         \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

/* A call that must succeed; when not, the test fails with the sentence of the error. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s: %s", #call, e.text);                                                     \
    } while (0)

#endif
