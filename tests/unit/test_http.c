/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the HTTP faces needs no connection: reading paths, queries and forms, word splitting,
 * fields, decimals, Judge0's configuration, and how a verdict is told in Judge0's words.
 */
#include <signal.h>

#include "http/access.h"
#include "http/judge0.h"
#include "languages.h"
#include "test.h"

static struct arena arena;

static int teardown(UNUSED void **state)
{
    arena_done(&arena);
    return 0;
}

/* ---- parse ---- */

static const char *query_value(const char *query, const char *name)
{
    struct params params;
    struct err e;
    MUST(params_parse(str_of(query), &arena, &params, &e));
    return params_get(&params, name).ptr;
}

TEST(a_query_is_decoded)
{
    assert_string_equal(query_value("a=1&b=x%20y%2B+z&c", "b"), "x y+ z");
    assert_string_equal(query_value("a=1&b=2&c", "c"), "");
    assert_string_equal(query_value("a=1&&a=2", "a"), "2");
    assert_string_equal(query_value("a%62=c=d", "ab"), "c=d");
    assert_null(query_value("a=1", "A"));
    assert_null(query_value("", "a"));
}

TEST(bad_encoding_in_a_query_names_the_parameter)
{
    static const char *const bad[] = { "a=%", "a=%4", "a=%zz", "a=%ff", "%ff=a", "%00=a" };
    struct params params;
    struct err e = { 0 };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(params_parse(str_of(bad[i]), &arena, &params, &e));
    assert_false(params_parse(STR("ok=1&name=%f"), &arena, &params, &e));
    assert_string_equal(e.field, "name");
}

TEST(a_path_is_cut_at_its_slashes)
{
    struct path path;
    struct err e;
    MUST(path_parse(STR("//v1/sub%2Fx//y/"), &arena, &path, &e));
    assert_int_equal(path.count, 3);
    assert_string_equal(path.segments[1], "sub/x");
    MUST(path_parse(STR("/"), &arena, &path, &e));
    assert_int_equal(path.count, 0);
    assert_false(path_parse(STR("/1/2/3/4/5/6/7/8/9"), &arena, &path, &e));
    assert_int_equal(e.kind, ERR_NOT_FOUND);
    assert_false(path_parse(STR("/a%00b"), &arena, &path, &e));
    assert_int_equal(e.kind, ERR_INVALID);
}

TEST(a_multipart_body_gives_its_named_parts)
{
    static const char body[] =
        "ignored\r\n--edge\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n"
        "--edge\r\nX: y\r\ncontent-disposition: form-data; filename=\"f\"; name=b\r\n\r\n\r\n"
        "--edge\r\nContent-Disposition: form-data\r\n\r\nnameless\r\n--edge--\r\nignored";
    struct params params;
    struct err e;
    MUST(multipart_parse(STR(body), "multipart/form-data; boundary=\"edge\"", &arena, &params, &e));
    assert_int_equal(params.count, 2);
    assert_string_equal(params_get(&params, "a").ptr, "1\r\n2");
    assert_string_equal(params_get(&params, "b").ptr, "");
}

TEST(a_broken_multipart_body_is_refused)
{
    static const char *const bad[] = { "", "--edge", "--edge\r\n\r\n", "--edge\r\nX: y\r\n--edge--",
                                       "no boundary" };
    struct params params;
    struct err e;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(multipart_parse(str_of(bad[i]), "multipart/form-data; boundary=edge", &arena,
                                     &params, &e));
    assert_false(multipart_parse(STR("--edge--"), "multipart/form-data", &arena, &params, &e));
}

TEST(a_media_type_has_parameters_and_no_case)
{
    assert_true(media_type_is("application/json", "application/json"));
    assert_true(media_type_is("Application/JSON ; charset=utf-8", "application/json"));
    assert_false(media_type_is("application/jsonx", "application/json"));
    assert_false(media_type_is("application/json-patch", "application/json"));
    assert_false(media_type_is(NULL, "application/json"));
}

TEST(words_are_found_whole)
{
    assert_true(words_have("t1 t2", "t2"));
    assert_true(words_have("  t1\nt2 ", "t1"));
    assert_false(words_have("t1 t2", "t"));
    assert_false(words_have("t1 t2", "t1 t2"));
    assert_false(words_have("", ""));
    assert_false(words_have("t1", ""));
}

/* ---- words ---- */

static void assert_words(const char *text, const char *const *expected)
{
    const char **words = judge0_split(judge0_filter(str_of(text), &arena), &arena);
    size_t i = 0;
    for (; expected[i]; i++) {
        if (!words[i])
            fail_msg("%s: word %zu is missing", text, i);
        assert_string_equal(words[i], expected[i]);
    }
    assert_null(words[i]);
}
#define WORDS(text, ...) assert_words(text, (const char *const[]){ __VA_ARGS__ })

TEST(words_are_split_and_unquoted_like_a_shell_would)
{
    WORDS("", NULL);
    WORDS(" \t\n ", NULL);
    WORDS("-O2 -Wall", "-O2", "-Wall", NULL);
    WORDS("a 'b c' \"d e\" f\\ g", "a", "b c", "d e", "f g", NULL);
    WORDS("x''y '' \"\"", "xy", "", "", NULL);
    WORDS("'it'\\''s'", "it's", NULL);
    WORDS("\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d", NULL);
    WORDS("'a\\b'", "a\\b", NULL);
    WORDS("a\nb\\\nc", "a", "bc", NULL);
    WORDS("'open to the end", "open to the end", NULL);
    WORDS("end\\", "end\\", NULL);
    WORDS("* ~ {a,b} #c (d)", "*", "~", "{a,b}", "#c", "(d)", NULL);
}

TEST(characters_of_a_shell_are_deleted)
{
    WORDS("$HOME `id` a;b a&&b c|d <e >f", "HOME", "id", "ab", "ab", "cd", "e", "f", NULL);
    WORDS("'$' \"`\"", "", "", NULL);
}

/* ---- fields, decimals, configuration ---- */

TEST(fields_are_exact_names)
{
    uint64_t set = 0, star = 0;
    assert_null(judge0_fields("*", &arena, &star));
    assert_null(judge0_fields(NULL, &arena, &set));
    assert_true(set == judge0_fields_default());
    assert_null(judge0_fields(",,", &arena, &set));
    assert_true(set == judge0_fields_default());
    assert_null(judge0_fields("verdict", &arena, &set));
    assert_true((set & star) == 0); /* ours: never part of all */
    assert_null(judge0_fields("stdout,stdout,token", &arena, &set));
    assert_int_equal(__builtin_popcountll(set), 2);
    assert_int_equal(__builtin_popcountll(star), 35);
    assert_int_equal(__builtin_popcountll(judge0_fields_default()), 8);
    assert_string_equal(judge0_fields("STDOUT, stdout,token,id", &arena, &set),
                        "invalid fields: [STDOUT,  stdout, id]");
}

TEST(decimals_have_a_fraction_and_no_more_digits_than_needed)
{
    assert_string_equal(judge0_decimal(5, &arena), "5.0");
    assert_string_equal(judge0_decimal(0, &arena), "0.0");
    assert_string_equal(judge0_decimal(2.5, &arena), "2.5");
    assert_string_equal(judge0_decimal(0.002, &arena), "0.002");
    assert_string_equal(judge0_decimal(1000, &arena), "1000.0");
}

TEST(judge0_variables_are_read)
{
    char *environment[] = { (char[]){ "MAX_CPU_TIME_LIMIT=2.5" },
                            (char[]){ "ENABLE_WAIT_RESULT=no" },        /* only "false" is off */
                            (char[]){ "ENABLE_SUBMISSION_DELETE=yes" }, /* only "true" is on */
                            (char[]){ "MAX_FILE_SIZE=" },
                            (char[]){ "DISABLE_IMPLICIT_BASE64_ENCODING=false" },
                            (char[]){ "AUTHN_TOKEN=a b" },
                            (char[]){ "SOMETHING=else" },
                            NULL };
    struct judge0_config c = judge0_config_default();
    struct err e;
    MUST(judge0_config_read(&c, environment, &e));
    assert_true(c.max_cpu_time_limit == 2.5);
    assert_true(c.enable_wait_result);
    assert_false(c.enable_submission_delete);
    assert_int_equal(c.max_file_size, 1024);
    assert_true(c.implicit_base64);
    assert_false(judge0_config_default().implicit_base64);
    assert_string_equal(c.authn_token, "a b");
    assert_true(judge0_config_most(&c).cpu_us == 2500000);
}

TEST(a_judge0_variable_that_is_no_number_is_named)
{
    char *environment[] = { (char[]){ "MEMORY_LIMIT=1.5" }, NULL };
    struct judge0_config c = judge0_config_default();
    struct err e;
    assert_false(judge0_config_read(&c, environment, &e));
    assert_string_equal(e.field, "MEMORY_LIMIT");
    assert_int_equal(c.memory_limit, 128000);
}

/* ---- verdicts in Judge0's words ---- */

static struct judge0_view view_of(struct outcome outcome, bool precise)
{
    static const struct language_text languages[] = {
        { "c.yaml", LANGUAGE_HEAD("c") "source_file: main.c\nrun: [./a.out, '{args}']\n" },
    };
    struct err e;
    CLEANUP(catalogue_free) struct catalogue *catalogue = catalogue_of(languages, 1, &e);
    struct context context = { .catalogue = catalogue };
    MUST(catalogue);
    context.config.judge0.precise = precise;
    static const char *none[] = { NULL };
    struct job job = { .language = "c",
                       .args = none,
                       .limits = { .stack_bytes = 1, .output_bytes = 1 } };
    struct test_result test = { .id = "1", .outcome = outcome };
    struct result result = { .verdict = outcome.verdict, .tests = &test, .test_count = 1 };
    struct record record = { .state = STATE_FINISHED, .job = &job, .result = &result };
    struct judge0_view view;
    judge0_view(&record, NULL, &context, &arena, &view);
    return view;
}

TEST(verdicts_become_statuses)
{
    static const struct {
        struct outcome outcome;
        int status, code, signal;
        const char *message;
    } rows[] = {
        { { .verdict = VERDICT_ACCEPTED }, 3, 0, 0, NULL },
        { { .verdict = VERDICT_WRONG_ANSWER }, 4, 0, 0, NULL },
        { { .verdict = VERDICT_CPU_TIME_LIMIT, .exit_code = 5 }, 5, 0, 0, "Time limit exceeded" },
        { { .verdict = VERDICT_WALL_TIME_LIMIT, .exit_code = -1, .signal = SIGKILL },
          5,
          0,
          0,
          "Time limit exceeded (wall clock)" },
        { { .verdict = VERDICT_RUNTIME_ERROR, .exit_code = 3 },
          11,
          3,
          0,
          "Exited with error status 3" },
        { { .verdict = VERDICT_RUNTIME_ERROR, .exit_code = -1, .signal = SIGSEGV },
          11,
          139,
          0,
          "Exited with error status 139" },
        { { .verdict = VERDICT_MEMORY_LIMIT, .exit_code = -1, .signal = SIGKILL },
          11,
          137,
          0,
          "Exited with error status 137" },
        { { .verdict = VERDICT_MEMORY_LIMIT, .exit_code = 1 },
          11,
          1,
          0,
          "Exited with error status 1" },
        { { .verdict = VERDICT_OUTPUT_LIMIT, .exit_code = -1, .signal = SIGXFSZ, .out_cut = true },
          11,
          153,
          0,
          "Exited with error status 153" },
        { { .verdict = VERDICT_OUTPUT_LIMIT, .exit_code = -1, .signal = SIGXFSZ, .err_cut = true },
          8,
          0,
          SIGXFSZ,
          "Caught fatal signal 25" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct judge0_view v = view_of(rows[i].outcome, false);
        assert_int_equal(v.status, rows[i].status);
        assert_int_equal(v.exit_code, rows[i].code);
        assert_int_equal(v.exit_signal, rows[i].signal);
        if (rows[i].message)
            assert_string_equal(v.message, rows[i].message);
        else
            assert_null(v.message);
    }
}

TEST(a_crash_gains_the_line_of_a_shell)
{
    struct outcome crash = {
        .verdict = VERDICT_RUNTIME_ERROR, .exit_code = -1, .signal = SIGSEGV, .err = STR("mine\n")
    };
    struct judge0_view v = view_of(crash, false);
    assert_true(
        str_starts(v.err, "mine\nrun: line 1:     3 Segmentation fault      (core dumped) "));
    crash.signal = SIGPIPE;
    v = view_of(crash, false);
    assert_int_equal(v.exit_code, 141);
    assert_true(str_is(v.err, "mine\n"));
}

TEST(empty_output_is_null)
{
    struct outcome quiet = { .verdict = VERDICT_ACCEPTED, .out = STR(""), .err = STR("") };
    struct judge0_view v = view_of(quiet, false);
    assert_null(v.out.ptr);
    assert_null(v.err.ptr);
}

TEST(precise_statuses_name_the_signal)
{
    static const int signals[][2] = {
        { SIGSEGV, 7 }, { SIGXFSZ, 8 }, { SIGFPE, 9 }, { SIGABRT, 10 }, { SIGKILL, 12 }
    };
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        struct outcome crash = { .verdict = VERDICT_RUNTIME_ERROR,
                                 .exit_code = -1,
                                 .signal = signals[i][0] };
        struct judge0_view v = view_of(crash, true);
        assert_int_equal(v.status, signals[i][1]);
        assert_int_equal(v.exit_signal, signals[i][0]);
        assert_int_equal(v.exit_code, 0);
        assert_null(v.err.ptr);
    }
}

TEST(trouble_of_ours_is_status_13_without_figures)
{
    struct outcome none = { .verdict = VERDICT_INTERNAL_ERROR,
                            .message = "a lane broke",
                            .out = STR("half") };
    struct judge0_view v = view_of(none, false);
    assert_int_equal(v.status, 13);
    assert_false(v.ran);
    assert_null(v.out.ptr);
    assert_non_null(v.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_query_is_decoded),
        T(bad_encoding_in_a_query_names_the_parameter),
        T(a_path_is_cut_at_its_slashes),
        T(a_multipart_body_gives_its_named_parts),
        T(a_broken_multipart_body_is_refused),
        T(a_media_type_has_parameters_and_no_case),
        T(words_are_found_whole),
        T(words_are_split_and_unquoted_like_a_shell_would),
        T(characters_of_a_shell_are_deleted),
        T(fields_are_exact_names),
        T(decimals_have_a_fraction_and_no_more_digits_than_needed),
        T(judge0_variables_are_read),
        T(a_judge0_variable_that_is_no_number_is_named),
        T(verdicts_become_statuses),
        T(a_crash_gains_the_line_of_a_shell),
        T(empty_output_is_null),
        T(precise_statuses_name_the_signal),
        T(trouble_of_ours_is_status_13_without_figures),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
