/* SPDX-License-Identifier: Apache-2.0 */
#include "job/result.h"
#include "test.h"

/* Tests with these verdicts and weights, as the engine leaves them before the sum. */
static struct result *result_of(const enum verdict *verdicts, const double *weights, size_t count)
{
    struct result *r = result_new();
    r->tests = arena_array(&r->arena, count, sizeof *r->tests);
    r->test_count = count;
    for (size_t i = 0; i < count; i++) {
        r->tests[i].id = arena_printf(&r->arena, "%zu", i + 1);
        r->tests[i].weight = weights ? weights[i] : 1;
        r->tests[i].outcome.verdict = verdicts[i];
        r->tests[i].outcome.cpu_us = (int64_t)i + 1;
        r->tests[i].outcome.wall_us = 10;
        r->tests[i].outcome.memory_bytes = i == 1 ? 500 : 100;
    }
    return r;
}

#define RESULT_OF(weights, ...)                                                                    \
    result_of((const enum verdict[]){ __VA_ARGS__ }, weights,                                      \
              COUNT_OF(((const enum verdict[]){ __VA_ARGS__ })))

TEST(every_verdict_has_a_name_a_title_and_is_found_again)
{
    for (int v = VERDICT_NONE; v < VERDICT_COUNT; v++) {
        assert_int_equal(verdict_find(str_of(verdict_name((enum verdict)v))), v);
        assert_true(verdict_title((enum verdict)v)[0]);
    }
    assert_string_equal(verdict_name(VERDICT_CPU_TIME_LIMIT), "cpu_time_limit");
    assert_int_equal(verdict_find(STR("Accepted")), VERDICT_NONE);
    assert_int_equal(verdict_find(STR_NULL), VERDICT_NONE);
    assert_string_equal(verdict_name((enum verdict)99), "none");
}

TEST(all_accepted_is_accepted_with_full_score)
{
    CLEANUP(result_free) struct result *r = RESULT_OF(NULL, VERDICT_ACCEPTED, VERDICT_ACCEPTED);
    result_sum_up(r);
    assert_int_equal(r->verdict, VERDICT_ACCEPTED);
    assert_true(r->score == 1);
    assert_int_equal(r->cpu_us, 3);
    assert_int_equal(r->wall_us, 20);
    assert_int_equal(r->memory_bytes, 500);
}

TEST(the_first_failure_in_order_is_the_verdict_of_the_whole)
{
    CLEANUP(result_free)
    struct result *r = RESULT_OF(NULL, VERDICT_ACCEPTED, VERDICT_WRONG_ANSWER,
                                 VERDICT_CPU_TIME_LIMIT, VERDICT_ACCEPTED);
    result_sum_up(r);
    assert_int_equal(r->verdict, VERDICT_WRONG_ANSWER);
    assert_true(r->score == 0.5);
}

TEST(skipped_tests_are_no_failure_but_their_weight_is_lost)
{
    CLEANUP(result_free)
    struct result *r =
        RESULT_OF(NULL, VERDICT_ACCEPTED, VERDICT_RUNTIME_ERROR, VERDICT_SKIPPED, VERDICT_SKIPPED);
    result_sum_up(r);
    assert_int_equal(r->verdict, VERDICT_RUNTIME_ERROR);
    assert_true(r->score == 0.25);
}

TEST(weights_decide_the_score)
{
    static const double weights[] = { 1, 3, 0 };
    CLEANUP(result_free)
    struct result *r =
        RESULT_OF(weights, VERDICT_WRONG_ANSWER, VERDICT_ACCEPTED, VERDICT_WRONG_ANSWER);
    result_sum_up(r);
    assert_true(r->score == 0.75);
    static const double none[] = { 0, 0 };
    CLEANUP(result_free) struct result *a = RESULT_OF(none, VERDICT_ACCEPTED, VERDICT_ACCEPTED);
    CLEANUP(result_free) struct result *b = RESULT_OF(none, VERDICT_ACCEPTED, VERDICT_SKIPPED);
    CLEANUP(result_free) struct result *c = RESULT_OF(none, VERDICT_ACCEPTED, VERDICT_CANCELLED);
    result_sum_up(a);
    result_sum_up(b);
    result_sum_up(c);
    assert_true(a->score == 1 && b->score == 1 && c->score == 0);
}

TEST(a_failed_build_is_a_compile_error_without_tests)
{
    CLEANUP(result_free) struct result *r = result_new();
    r->compiled = true;
    r->compile.verdict = VERDICT_RUNTIME_ERROR;
    result_sum_up(r);
    assert_int_equal(r->verdict, VERDICT_COMPILE_ERROR);
    assert_true(r->score == 0);
    CLEANUP(result_free) struct result *cancelled = result_cancelled();
    result_sum_up(cancelled);
    assert_int_equal(cancelled->verdict, VERDICT_CANCELLED);
}

/* ---- JSON ---- */

static struct result *read_result(const char *text, struct err *e)
{
    CLEANUP(json_free) struct json *json = json_parse(str_of(text), e);
    assert_non_null(json);
    return result_from_json(json, e);
}

/* Write, read, write: the same text. */
static void round_trip(const struct result *r)
{
    struct err e = { 0 };
    CLEANUP(buf_done) struct buf once = { 0 }, twice = { 0 };
    result_to_json(r, &once);
    CLEANUP(result_free) struct result *back = read_result(once.ptr, &e);
    MUST(back);
    result_to_json(back, &twice);
    assert_string_equal(once.ptr, twice.ptr);
}

TEST(a_full_result_survives_the_store)
{
    struct err e = { 0 };
    CLEANUP(result_free)
    struct result *r = RESULT_OF(NULL, VERDICT_ACCEPTED, VERDICT_RUNTIME_ERROR);
    r->message = "two \"words\"";
    r->compiled = r->cached = r->rusage_only = true;
    r->compile = (struct outcome){ .verdict = VERDICT_ACCEPTED,
                                   .out = { "warning: \xe2\x80\x98x\xe2\x80\x99", 17 },
                                   .cpu_us = 9 };
    r->attempt = 3;
    r->started_us = 1795437763982999;
    r->finished_us = 1795437763983999;
    r->compile_us = 55;
    r->run_us = 66;
    r->tests[0].id = "sample \xc3\xa9";
    r->tests[0].weight = 0.1;
    struct output_file files[] = { { "a.txt", STR("one"), false }, { "b", STR("\xff"), true } };
    r->tests[0].outcome.files = files;
    r->tests[0].outcome.file_count = 2;
    r->tests[0].outcome.files_cut = true;
    r->tests[1].outcome = (struct outcome){ .verdict = VERDICT_RUNTIME_ERROR,
                                            .limit = "memory",
                                            .exit_code = -1,
                                            .signal = 11,
                                            .cpu_us = 1,
                                            .wall_us = 2,
                                            .memory_bytes = 3,
                                            .out = { "\xff\0\x01", 3 },
                                            .err = { "a\0\xfe", 3 },
                                            .out_cut = true,
                                            .err_cut = true,
                                            .message = "Stopped." };
    result_sum_up(r);
    round_trip(r);

    CLEANUP(buf_done) struct buf text = { 0 };
    result_to_json(r, &text);
    CLEANUP(result_free) struct result *back = read_result(text.ptr, &e);
    MUST(back);
    assert_int_equal(back->verdict, VERDICT_RUNTIME_ERROR);
    assert_string_equal(back->message, "two \"words\"");
    assert_true(back->compiled && back->cached && back->rusage_only);
    assert_true(str_eq(back->compile.out, r->compile.out));
    assert_int_equal(back->attempt, 3);
    assert_true(back->started_us == r->started_us && back->finished_us == r->finished_us);
    assert_true(back->compile_us == 55 && back->run_us == 66);
    assert_true(back->score == r->score);
    assert_int_equal(back->cpu_us, r->cpu_us);
    assert_int_equal(back->memory_bytes, r->memory_bytes);
    assert_int_equal(back->test_count, 2);
    assert_string_equal(back->tests[0].id, "sample \xc3\xa9");
    assert_true(back->tests[0].weight == 0.1);
    const struct outcome *o = &back->tests[1].outcome;
    assert_string_equal(o->limit, "memory");
    assert_int_equal(o->exit_code, -1);
    assert_int_equal(o->signal, 11);
    assert_int_equal(o->cpu_us + o->wall_us + o->memory_bytes, 6);
    assert_int_equal(o->out.len, 3);
    assert_memory_equal(o->out.ptr, "\xff\0\x01", 3);
    assert_memory_equal(o->err.ptr, "a\0\xfe", 3);
    assert_true(o->out_cut && o->err_cut);
    assert_string_equal(o->message, "Stopped.");
}

TEST(empty_and_special_results_survive_the_store_too)
{
    CLEANUP(result_free) struct result *empty = result_new();
    CLEANUP(result_free) struct result *broken = result_internal_error("no lane came up");
    CLEANUP(result_free) struct result *cancelled = result_cancelled();
    round_trip(empty);
    round_trip(broken);
    round_trip(cancelled);
    assert_int_equal(broken->verdict, VERDICT_INTERNAL_ERROR);
    assert_string_equal(broken->message, "no lane came up");
    result_free(NULL);
}

TEST(unset_texts_come_back_unset)
{
    struct err e = { 0 };
    CLEANUP(result_free) struct result *r = RESULT_OF(NULL, VERDICT_ACCEPTED);
    CLEANUP(buf_done) struct buf text = { 0 };
    result_to_json(r, &text);
    CLEANUP(result_free) struct result *back = read_result(text.ptr, &e);
    MUST(back);
    assert_null(back->tests[0].outcome.out.ptr);
    assert_null(back->tests[0].outcome.limit);
    assert_null(back->tests[0].outcome.message);
    assert_null(back->message);
}

TEST(a_stored_result_that_was_damaged_is_refused)
{
    static const char *const bad[] = {
        "[]",
        "null",
        "{\"verdict\":\"great\"}",
        "{\"verdict\":5}",
        "{\"tests\":{}}",
        "{\"tests\":[5]}",
        "{\"tests\":[{\"weight\":\"1\"}]}",
        "{\"tests\":[{\"exit_code\":99999999999}]}",
        "{\"tests\":[{\"stdout\":\"x\",\"stdout_encoding\":\"base64\"}]}",
        "{\"compile\":[]}",
        "{\"compile\":{\"signal\":1.5}}",
        "{\"cached\":1}",
        "{\"score\":\"1\"}",
        "{\"cpu_us\":0.5}",
        "{\"attempt\":-9223372036854775808}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err e = { 0 };
        CLEANUP(result_free) struct result *r = read_result(bad[i], &e);
        if (r)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_true(e.text[0]);
    }
}

TEST(hints_survive_the_store)
{
    struct err e = { 0 };
    struct hint hints[] = {
        { .id = "a.b",
          .title = "t",
          .text = "Line 3: x",
          .confidence = "likely",
          .test = "1",
          .line = 3 },
        { .id = "c",
          .title = "t",
          .text = "y",
          .confidence = "guess",
          .link = "https://x",
          .follow_up = true },
    };
    CLEANUP(result_free) struct result *r = result_internal_error("no");
    r->hints = hints;
    r->hint_count = COUNT_OF(hints);
    round_trip(r);

    CLEANUP(buf_done) struct buf text = { 0 };
    result_to_json(r, &text);
    CLEANUP(result_free) struct result *back = read_result(text.ptr, &e);
    MUST(back);
    assert_int_equal(back->hint_count, 2);
    assert_string_equal(back->hints[0].text, "Line 3: x");
    assert_int_equal(back->hints[0].line, 3);
    assert_string_equal(back->hints[0].test, "1");
    assert_null(back->hints[0].link);
    assert_null(back->hints[1].test);
    assert_true(back->hints[1].follow_up && !back->hints[0].follow_up);
}

TEST(a_stored_hint_without_its_text_is_refused)
{
    struct err e = { 0 };
    assert_null(read_result("{\"hints\":[1]}", &e));
    assert_null(read_result("{\"hints\":[{\"id\":\"a\",\"title\":\"t\"}]}", &e));
    assert_non_null(strstr(e.text, "hints[0]"));
}

TEST(keys_of_a_newer_server_are_left_alone)
{
    struct err e = { 0 };
    CLEANUP(result_free)
    struct result *r = read_result("{\"verdict\":\"accepted\",\"later\":[1],\"score\":1}", &e);
    MUST(r);
    assert_int_equal(r->verdict, VERDICT_ACCEPTED);
    assert_true(r->score == 1);
}

RUN_TESTS(T(every_verdict_has_a_name_a_title_and_is_found_again),
          T(all_accepted_is_accepted_with_full_score),
          T(the_first_failure_in_order_is_the_verdict_of_the_whole),
          T(skipped_tests_are_no_failure_but_their_weight_is_lost), T(weights_decide_the_score),
          T(a_failed_build_is_a_compile_error_without_tests), T(a_full_result_survives_the_store),
          T(empty_and_special_results_survive_the_store_too), T(unset_texts_come_back_unset),
          T(a_stored_result_that_was_damaged_is_refused), T(hints_survive_the_store),
          T(a_stored_hint_without_its_text_is_refused), T(keys_of_a_newer_server_are_left_alone))
