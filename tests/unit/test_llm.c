/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "hints/llm.h"
#include "test.h"

static struct llm *open_model(int64_t per_minute)
{
    struct err e;
    struct llm *l = llm_open(&(struct llm_config){ .url = "http://127.0.0.1:9/v1/",
                                                   .model = "tiny",
                                                   .key = "k-123",
                                                   .timeout_us = US_PER_S,
                                                   .per_minute = per_minute },
                             &e);
    if (!l)
        fail_msg("%s", e.text);
    return l;
}

/* A judged job whose second test fails: everything about the tests is marked SECRET. */
static struct job *judged_job(void)
{
    static const char text[] =
        "{\"language\":\"python\",\"source\":\"n = int(input())\\nprint(1 / n)\\n\",\"hints\":true,"
        "\"args\":[\"SECRET-arg\"],\"env\":{\"E\":\"SECRET-env\"},"
        "\"tests\":[{\"stdin\":\"SECRET-in\",\"expected_output\":\"SECRET-out\","
        "\"args\":[\"SECRET-test-arg\"]}]}";
    struct err e;
    CLEANUP(json_free) struct json *json = json_parse(STR(text), &e);
    struct job *job = json ? job_from_json(json, false, &e) : NULL;
    if (!job)
        fail_msg("%s", e.text);
    return job;
}

static struct result *failed_result(void)
{
    struct result *r = result_new();
    r->verdict = VERDICT_RUNTIME_ERROR;
    r->tests = arena_array(&r->arena, 1, sizeof *r->tests);
    r->test_count = 1;
    r->tests[0] = (struct test_result){
        .id = "1",
        .outcome = { .verdict = VERDICT_RUNTIME_ERROR,
                     .exit_code = 1,
                     .out = STR("SECRET-printed"),
                     .err = STR("ValueError: SECRET-shown") },
    };
    r->hints = arena_array(&r->arena, 1, sizeof *r->hints);
    r->hints[0] = (struct hint){ .id = "p", .text = "Line 2: A number was divided by zero." };
    r->hint_count = 1;
    return r;
}

TEST(the_question_holds_the_program_and_nothing_of_the_tests)
{
    CLEANUP(llm_free) struct llm *l = open_model(60);
    CLEANUP(job_free) struct job *job = judged_job();
    CLEANUP(result_free) struct result *r = failed_result();
    CLEANUP(buf_done) struct buf body = { 0 };
    llm_question(l, job, r, &body);
    assert_non_null(strstr(body.ptr, "print(1 / n)"));
    assert_non_null(strstr(body.ptr, "A number was divided by zero"));
    assert_non_null(strstr(body.ptr, "exit code 1"));
    assert_null(strstr(body.ptr, "SECRET"));

    struct err e;
    CLEANUP(json_free) struct json *json = json_parse(buf_str(&body), &e);
    assert_non_null(json);
    assert_true(str_is(json_as_str(json_get(json, "model")), "tiny"));
    assert_int_equal(json_count(json_get(json, "messages")), 2);
}

TEST(the_request_goes_to_chat_completions_with_the_key)
{
    CLEANUP(llm_free) struct llm *l = open_model(60);
    const char *headers[3];
    struct web_request r = llm_request(l, STR("{}"), headers);
    assert_string_equal(r.url, "http://127.0.0.1:9/v1/chat/completions");
    assert_string_equal(headers[1], "Authorization: Bearer k-123");
    assert_null(headers[2]);
}

TEST(who_was_accepted_or_wants_no_hints_is_not_asked_about)
{
    CLEANUP(job_free) struct job *job = judged_job();
    CLEANUP(result_free) struct result *r = failed_result();
    assert_true(llm_fits(job, r));
    job->hints = false;
    assert_false(llm_fits(job, r));
    job->hints = true;
    r->verdict = VERDICT_ACCEPTED;
    assert_false(llm_fits(job, r));
    r->verdict = VERDICT_INTERNAL_ERROR;
    assert_false(llm_fits(job, r));
}

static enum got answer(int status, const char *body, struct arena *arena, struct hint *ret,
                       struct err *e)
{
    CLEANUP(web_answer_done) struct web_answer a = { .status = status };
    buf_add_text(&a.body, body);
    return llm_answer(&a, arena, ret, e);
}

TEST(an_answer_becomes_one_line_of_text)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct hint hint;
    struct err e;
    const char *body = "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":"
                       "\"\\n Look at\\tline 2.\\u0007\\nIt divides. \"}}],\"usage\":{}}";
    assert_int_equal(answer(200, body, &arena, &hint, &e), GOT_ONE);
    assert_string_equal(hint.text, "Look at line 2. It divides.");
    assert_string_equal(hint.confidence, "guess");
}

TEST(a_long_answer_ends_with_its_last_whole_sentence)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    CLEANUP(buf_done) struct buf body = { 0 };
    struct hint hint;
    struct err e;
    buf_add_text(&body, "{\"choices\":[{\"message\":{\"content\":\"");
    for (int i = 0; i < 100; i++)
        buf_add_text(&body, "Twenty letters here. ");
    buf_add_text(&body, "\"}}]}");
    assert_int_equal(answer(200, body.ptr, &arena, &hint, &e), GOT_ONE);
    size_t len = strlen(hint.text);
    assert_true(len <= LLM_HINT_BYTES && len > LLM_HINT_BYTES - 30);
    assert_int_equal(hint.text[len - 1], '.');
}

TEST(a_refusal_and_nothing_to_say_are_no_hints)
{
    static const char *const bodies[] = {
        "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"I will not\"}}]}",
        "{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"content_filter\"}]}",
        "{\"choices\":[{\"message\":{\"content\":null}}]}",
        "{\"choices\":[{\"message\":{\"content\":\"  \\n\"}}]}",
        "{\"choices\":[{\"message\":{\"content\":\"NONE\"}}]}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        CLEANUP(arena_done) struct arena arena = { 0 };
        struct hint hint;
        struct err e;
        if (answer(200, bodies[i], &arena, &hint, &e) != GOT_NONE)
            fail_msg("%s", bodies[i]);
    }
}

TEST(garbage_is_an_error_and_never_a_hint)
{
    static const char *const bodies[] = {
        "",
        "<html>busy</html>",
        "[]",
        "{}",
        "{\"choices\":[]}",
        "{\"choices\":{\"a\":1}}",
        "{\"choices\":[1]}",
        "{\"choices\":[{\"message\":{\"content\":5}}]}",
        "{\"error\":{\"message\":\"no such model\"}}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        CLEANUP(arena_done) struct arena arena = { 0 };
        struct hint hint;
        struct err e;
        if (answer(200, bodies[i], &arena, &hint, &e) != GOT_FAILED)
            fail_msg("%s", bodies[i]);
    }
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct hint hint;
    struct err e;
    assert_int_equal(answer(429, "{}", &arena, &hint, &e), GOT_FAILED);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
}

TEST(the_budget_is_spent_and_comes_back_one_by_one)
{
    CLEANUP(llm_free) struct llm *l = open_model(6);
    int64_t now = 1000, then = 0;
    for (int i = 0; i < 6; i++)
        assert_true(llm_may_ask(l, now, &then));
    assert_false(llm_may_ask(l, now, &then));
    assert_int_equal(then, now + 10 * US_PER_S);
    assert_false(llm_may_ask(l, then - 1, &then));
    assert_true(llm_may_ask(l, then, &then));
    assert_false(llm_may_ask(l, now + 10 * US_PER_S, &then));
}

TEST(a_wrong_setting_is_named)
{
    struct err e;
    struct llm_config config = { .url = "ftp://x", .model = "m", .per_minute = 1 };
    assert_null(llm_open(&config, &e));
    assert_string_equal(e.field, "EVALX_HINTS_LLM_URL");
    config = (struct llm_config){ .url = "http://127.0.0.1:1/v1", .per_minute = 1 };
    assert_null(llm_open(&config, &e));
    assert_string_equal(e.field, "EVALX_HINTS_LLM_MODEL");
}

RUN_TESTS(T(the_question_holds_the_program_and_nothing_of_the_tests),
          T(the_request_goes_to_chat_completions_with_the_key),
          T(who_was_accepted_or_wants_no_hints_is_not_asked_about),
          T(an_answer_becomes_one_line_of_text), T(a_long_answer_ends_with_its_last_whole_sentence),
          T(a_refusal_and_nothing_to_say_are_no_hints), T(garbage_is_an_error_and_never_a_hint),
          T(the_budget_is_spent_and_comes_back_one_by_one), T(a_wrong_setting_is_named))
