/* SPDX-License-Identifier: Apache-2.0 */
#include "job/limits.h"
#include "test.h"

static bool read_limits(const char *text, struct limits *ret, struct err *e)
{
    CLEANUP(json_free) struct json *json = json_parse(str_of(text), e);
    assert_non_null(json);
    return limits_from_json(json, "tests[3].limits", ret, e);
}

TEST(every_limit_has_a_row_and_rows_do_not_share_members)
{
    assert_int_equal(limit_count, sizeof(struct limits) / sizeof(int64_t));
    struct limits l = limits_unset();
    for (size_t i = 0; i < limit_count; i++) {
        assert_int_equal(limit_get(&l, &limit_infos[i]), LIMIT_UNSET);
        limit_set(&l, &limit_infos[i], (int64_t)(i + 1) * 1000);
    }
    for (size_t i = 0; i < limit_count; i++)
        assert_int_equal(limit_get(&l, &limit_infos[i]), (i + 1) * 1000);
    assert_int_equal(l.cpu_us, 1000);
    assert_int_equal(l.file_bytes, 8000);
}

TEST(only_unset_members_are_filled)
{
    struct limits l = limits_unset(), from = limits_unset();
    l.cpu_us = 0; /* 0 is a value */
    from.cpu_us = 5;
    from.wall_us = 7;
    limits_fill(&l, &from);
    assert_int_equal(l.cpu_us, 0);
    assert_int_equal(l.wall_us, 7);
    assert_int_equal(l.memory_bytes, LIMIT_UNSET);
}

TEST(json_units_become_inside_units_and_back)
{
    struct err e = { 0 };
    struct limits l;
    static const char text[] =
        "{\"cpu_time_ms\":1500,\"cpu_extra_time_ms\":0,\"wall_time_ms\":2,\"memory_bytes\":4096,"
        "\"stack_bytes\":1,\"processes\":3,\"output_bytes\":5,\"file_bytes\":6}";
    MUST(read_limits(text, &l, &e));
    assert_int_equal(l.cpu_us, 1500000);
    assert_int_equal(l.cpu_extra_us, 0);
    assert_int_equal(l.wall_us, 2000);
    assert_int_equal(l.memory_bytes, 4096);
    assert_int_equal(l.processes, 3);
    CLEANUP(buf_done) struct buf out = { 0 };
    struct json_writer w = { .out = &out };
    limits_to_json(&l, &w);
    assert_string_equal(out.ptr, text);
}

TEST(unset_members_are_not_written_and_null_leaves_them_unset)
{
    struct err e = { 0 };
    struct limits l;
    MUST(read_limits("{\"cpu_time_ms\":null,\"processes\":2}", &l, &e));
    assert_int_equal(l.cpu_us, LIMIT_UNSET);
    CLEANUP(buf_done) struct buf out = { 0 };
    struct json_writer w = { .out = &out };
    limits_to_json(&l, &w);
    assert_string_equal(out.ptr, "{\"processes\":2}");
}

TEST(a_time_below_one_unit_is_never_written_as_none)
{
    struct limits l = limits_unset();
    l.cpu_us = 1;
    CLEANUP(buf_done) struct buf out = { 0 };
    struct json_writer w = { .out = &out };
    limits_to_json(&l, &w);
    assert_string_equal(out.ptr, "{\"cpu_time_ms\":1}");
}

TEST(bad_limits_are_refused_with_their_path_and_change_nothing)
{
    static const struct {
        const char *text, *field, *needle;
    } cases[] = {
        { "[]", "tests[3].limits", "an array" },
        { "5", "tests[3].limits", "an integer" },
        { "{\"cpu_time\":1}", "tests[3].limits.cpu_time", "\"cpu_time_ms\"" },
        { "{\"memory\":1}", "tests[3].limits.memory", "\"memory_bytes\"" },
        { "{\"xyz\":1}", "tests[3].limits.xyz", "no limit" },
        { "{\"cpu_time_ms\":1.5}", "tests[3].limits.cpu_time_ms", "whole number" },
        { "{\"cpu_time_ms\":1e3}", "tests[3].limits.cpu_time_ms", "whole number" },
        { "{\"cpu_time_ms\":\"1\"}", "tests[3].limits.cpu_time_ms", "a string" },
        { "{\"cpu_time_ms\":-1}", "tests[3].limits.cpu_time_ms", "negative" },
        { "{\"memory_bytes\":-1}", "tests[3].limits.memory_bytes", "negative" },
        { "{\"cpu_time_ms\":9223372036854775807}", "tests[3].limits.cpu_time_ms", "too large" },
        { "{\"memory_bytes\":18446744073709551615}", "tests[3].limits.memory_bytes", "whole" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };
        struct limits l = { .cpu_us = 77 };
        if (read_limits(cases[i].text, &l, &e))
            fail_msg("%s was taken", cases[i].text);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_string_equal(e.field, cases[i].field);
        if (!strstr(e.text, cases[i].needle) || !strstr(e.text, cases[i].field))
            fail_msg("%s says: %s", cases[i].text, e.text);
        assert_int_equal(l.cpu_us, 77);
    }
}

RUN_TESTS(T(every_limit_has_a_row_and_rows_do_not_share_members), T(only_unset_members_are_filled),
          T(json_units_become_inside_units_and_back),
          T(unset_members_are_not_written_and_null_leaves_them_unset),
          T(a_time_below_one_unit_is_never_written_as_none),
          T(bad_limits_are_refused_with_their_path_and_change_nothing))
