/* SPDX-License-Identifier: Apache-2.0 */
/* W3C trace context: what is taken, what is refused, what is passed on. */
#include "base/trace.h"
#include "test.h"

#include <string.h>

#define ID   "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static bool reads(const char *text, struct trace *t)
{
    *t = (struct trace){ 0 };
    return trace_read(str_of(text), t);
}

TEST(a_traceparent_is_read_and_written_back)
{
    struct trace t;
    char text[TRACEPARENT_TEXT];
    assert_true(reads("00-" ID "-" SPAN "-01", &t));
    assert_string_equal(t.id, ID);
    assert_string_equal(t.span, SPAN);
    assert_int_equal(t.flags, TRACE_SAMPLED);
    trace_text(&t, text);
    assert_string_equal(text, "00-" ID "-" SPAN "-01");
}

TEST(blanks_around_a_header_are_no_part_of_it)
{
    struct trace t;
    assert_true(reads(" \t00-" ID "-" SPAN "-00\t ", &t));
    assert_int_equal(t.flags, 0);
}

TEST(of_the_flags_only_sampled_is_passed_on)
{
    struct trace t;
    assert_true(reads("00-" ID "-" SPAN "-ff", &t));
    assert_int_equal(t.flags, TRACE_SAMPLED);
    assert_true(reads("00-" ID "-" SPAN "-fe", &t));
    assert_int_equal(t.flags, 0);
}

TEST(a_later_version_is_read_as_far_as_it_is_ours)
{
    struct trace t;
    char text[TRACEPARENT_TEXT];
    assert_true(reads("cc-" ID "-" SPAN "-01", &t));
    assert_true(reads("cc-" ID "-" SPAN "-01-what-the-future-brings", &t));
    assert_true(reads("01-" ID "-" SPAN "-01-", &t));
    trace_text(&t, text);
    assert_string_equal(text, "00-" ID "-" SPAN "-01");
}

TEST(what_is_no_traceparent_is_refused_and_changes_nothing)
{
    static const char *const bad[] = {
        "",
        "00",
        "-",
        "00-" ID "-" SPAN,
        "00-" ID "-" SPAN "-",
        "00-" ID "-" SPAN "-1",
        "00-" ID "-" SPAN "-01-",
        "00-" ID "-" SPAN "-01-more",
        "00-" ID "-" SPAN "-01.",
        "cc-" ID "-" SPAN "-01.what",
        "ff-" ID "-" SPAN "-01",
        "ff-" ID "-" SPAN "-01-more",
        "FF-" ID "-" SPAN "-01",
        "0-" ID "-" SPAN "-01",
        "0g-" ID "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" ID "-0000000000000000-01",
        "00-0AF7651916cd43dd8448eb211c80319c-" SPAN "-01",
        "00-" ID "-B7ad6b7169203331-01",
        "00-" ID "-" SPAN "-0A",
        "00-" ID "-" SPAN "-0x",
        "00_" ID "-" SPAN "-01",
        "00-" ID "_" SPAN "-01",
        "00-" ID "-" SPAN "_01",
        "00-" ID ",-" SPAN "-01",
        "00-.af7651916cd43dd8448eb211c80319c-" SPAN "-01",
        "00-" ID "-.7ad6b7169203331-01",
        "00-" ID "-" SPAN "-01,00-" ID "-" SPAN "-01",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct trace t = { .id = "kept" };
        if (trace_read(str_of(bad[i]), &t))
            fail_msg("taken: %s", bad[i]);
        assert_string_equal(t.id, "kept");
    }
    struct trace t;
    assert_false(trace_read(STR_NULL, &t));
    assert_false(trace_read((struct str){ "00-" ID "-" SPAN "-0\0", 55 }, &t));
}

TEST(a_trace_of_ours_is_not_sampled_and_is_one_that_others_can_read)
{
    struct trace t = trace_new(), back;
    char text[TRACEPARENT_TEXT];
    trace_text(&t, text);
    assert_int_equal(strlen(text), TRACEPARENT_TEXT - 1);
    assert_true(reads(text, &back));
    assert_string_equal(back.id, t.id);
    assert_int_equal(t.flags, 0);
    struct trace other = trace_new();
    assert_string_not_equal(other.id, t.id);
}

TEST(a_child_keeps_trace_and_flags_and_has_a_span_of_its_own)
{
    struct trace t, child;
    assert_true(reads("00-" ID "-" SPAN "-01", &t));
    child = trace_child(&t);
    assert_string_equal(child.id, ID);
    assert_int_equal(child.flags, TRACE_SAMPLED);
    assert_string_not_equal(child.span, SPAN);
    assert_int_equal(strlen(child.span), SPAN_ID_TEXT - 1);
}

TEST(without_a_trace_there_is_no_child_and_no_text)
{
    struct trace none = { 0 }, child = trace_child(&none);
    char text[TRACEPARENT_TEXT] = "x";
    trace_text(&child, text);
    assert_string_equal(text, "");
}

/* ---- tracestate ---- */

static void assert_state(const char *first, const char *second, const char *want)
{
    CLEANUP(buf_done) struct buf state = { 0 };
    bool ok = tracestate_add(&state, str_of(first)) &&
              (!second || tracestate_add(&state, str_of(second)));
    assert_int_equal(ok, want != NULL);
    assert_string_equal(buf_str(&state).ptr, want ? want : "");
}

TEST(a_tracestate_is_passed_on_as_it_came)
{
    assert_state("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", NULL,
                 "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
    assert_state("fw529a3039@dt=FfAd9b;1;2", NULL, "fw529a3039@dt=FfAd9b;1;2");
    assert_state("0tenant@sys=1,a_-*/9=!~ x", NULL, "0tenant@sys=1,a_-*/9=!~ x");
}

TEST(several_headers_are_one_list)
{
    assert_state("a=1,b=2", "c=3", "a=1,b=2,c=3");
}

TEST(blanks_and_empty_members_are_left_out)
{
    assert_state(" a=1 ,\tb=2\t,,  ,c= 3 ,", "", "a=1,b=2,c= 3");
    assert_state("", " ,", "");
}

TEST(of_two_members_with_one_key_the_first_one_stays)
{
    assert_state("a=1,b=2,a=3", "b=4,c=5", "a=1,b=2,c=5");
}

TEST(a_list_that_breaks_the_rules_is_dropped_whole)
{
    static const char *const bad[] = {
        "a",          "a=",         "=1",   "A=1",  "1=1",    "a b=1",   "a=1=2",
        "a=1;b=\x7f", "a=\xc3\xa4", "@s=1", "t@=1", "t@1s=1", "t@s@u=1", "a@sssssssssssssss=1",
        "a.b=1",      "a=1\n,b=2",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(buf_done) struct buf list = { 0 };
        assert_true(tracestate_add(&list, STR("ok=1")));
        if (tracestate_add(&list, str_of(bad[i])))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(list.len, 0);
    }
}

/* count members "k<i>=<len bytes>" behind each other. */
static struct buf members(int count, int len)
{
    struct buf list = { 0 };
    for (int i = 0; i < count; i++)
        buf_addf(&list, "%sk%02d=%0*d", i ? "," : "", i, len, 0);
    return list;
}

TEST(there_may_be_thirty_two_members_and_not_one_more)
{
    CLEANUP(buf_done) struct buf most = members(32, 1), over = members(33, 1), list = { 0 };
    assert_true(tracestate_add(&list, buf_str(&most)));
    assert_string_equal(list.ptr, most.ptr);
    buf_reset(&list);
    assert_false(tracestate_add(&list, buf_str(&over)));
}

TEST(keys_and_values_have_their_longest)
{
    CLEANUP(buf_done) struct buf value = { 0 }, longer = { 0 }, list = { 0 };
    buf_addf(&value, "a=%0256d", 1);
    buf_addf(&longer, "a=%0257d", 1);
    assert_true(tracestate_add(&list, buf_str(&value)));
    buf_reset(&list);
    assert_false(tracestate_add(&list, buf_str(&longer)));
    buf_reset(&value);
    buf_addf(&value, "a%0255d=1", 1);
    assert_true(tracestate_add(&list, buf_str(&value)));
    buf_reset(&value);
    buf_addf(&value, "a%0256d=1", 1);
    buf_reset(&list);
    assert_false(tracestate_add(&list, buf_str(&value)));
}

TEST(what_is_too_long_loses_large_members_first_and_then_the_last)
{
    CLEANUP(buf_done) struct buf list = { 0 };
    buf_addf(&list, "small=1,big=%0130d,huge=%0250d,b=%0100d,c=%0100d", 1, 2, 3, 4);
    assert_true(list.len > TRACESTATE_BYTES);
    tracestate_bound(&list);
    assert_null(strstr(list.ptr, "big="));
    assert_non_null(strstr(list.ptr, "huge=")); /* enough was gone by then */
    assert_true(list.len <= TRACESTATE_BYTES);

    CLEANUP(buf_done) struct buf many = members(32, 20);
    tracestate_bound(&many);
    assert_true(many.len <= TRACESTATE_BYTES && many.len > TRACESTATE_BYTES - 30);
    assert_non_null(strstr(many.ptr, "k00="));
    assert_null(strstr(many.ptr, "k31="));
    CLEANUP(buf_done) struct buf again = { 0 };
    assert_true(tracestate_add(&again, buf_str(&many)));
}

RUN_TESTS(T(a_traceparent_is_read_and_written_back), T(blanks_around_a_header_are_no_part_of_it),
          T(of_the_flags_only_sampled_is_passed_on),
          T(a_later_version_is_read_as_far_as_it_is_ours),
          T(what_is_no_traceparent_is_refused_and_changes_nothing),
          T(a_trace_of_ours_is_not_sampled_and_is_one_that_others_can_read),
          T(a_child_keeps_trace_and_flags_and_has_a_span_of_its_own),
          T(without_a_trace_there_is_no_child_and_no_text), T(a_tracestate_is_passed_on_as_it_came),
          T(several_headers_are_one_list), T(blanks_and_empty_members_are_left_out),
          T(of_two_members_with_one_key_the_first_one_stays),
          T(a_list_that_breaks_the_rules_is_dropped_whole),
          T(there_may_be_thirty_two_members_and_not_one_more),
          T(keys_and_values_have_their_longest),
          T(what_is_too_long_loses_large_members_first_and_then_the_last))
