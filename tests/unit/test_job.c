/* SPDX-License-Identifier: Apache-2.0 */
#include "job/job.h"
#include "languages.h"
#include "test.h"

static struct job *read_job(const char *text, bool stored, struct err *e)
{
    CLEANUP(json_free) struct json *json = json_parse(str_of(text), e);
    if (!json)
        fail_msg("%s: %s", text, e->text);
    return job_from_json(json, stored, e);
}

#define BODY(more) "{\"language\":\"toy\",\"source\":\"s\"" more "}"

/* Write, read, write: the same text. */
static void round_trip(const struct job *job)
{
    struct err e = { 0 };
    CLEANUP(buf_done) struct buf once = { 0 }, twice = { 0 };
    job_to_json(job, &once);
    CLEANUP(job_free) struct job *back = read_job(once.ptr, true, &e);
    MUST(back);
    job_to_json(back, &twice);
    assert_string_equal(once.ptr, twice.ptr);
}

/* ---- reading ---- */

TEST(the_smallest_job_has_the_documented_defaults)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *job = read_job(BODY(""), false, &e);
    MUST(job);
    assert_true(token_valid(str_of(job->id)));
    assert_true(job->created_us > 0);
    assert_string_equal(job->language, "toy");
    assert_int_equal(job->file_count, 1);
    assert_null(job->files[0].path);
    assert_true(str_is(job->files[0].content, "s"));
    assert_null(job->args[0]);
    assert_null(job->compiler_options[0]);
    assert_null(job->env[0]);
    assert_int_equal(job->test_count, 1);
    assert_false(job->has_tests);
    assert_string_equal(job->tests[0].id, "1");
    assert_null(job->tests[0].stdin_data.ptr);
    assert_null(job->tests[0].expected.ptr);
    assert_true(job->tests[0].weight == 1);
    assert_int_equal(job->checker.type, CHECKER_LINES);
    assert_true(job->checker.absolute == 1e-6 && job->checker.relative == 1e-6);
    assert_int_equal(job->runs, 1);
    assert_int_equal(job->priority, PRIORITY_NORMAL);
    assert_int_equal(job->cache, CACHE_BUILD);
    assert_int_equal(job->limits.cpu_us, LIMIT_UNSET);
    round_trip(job);
}

TEST(every_key_of_the_api_is_read)
{
    struct err e = { 0 };
    CLEANUP(job_free)
    struct job *job = read_job(
        "{\"language\":\"python@3.11\",\"files\":[{\"path\":\"a/b.py\",\"content\":\"/wA=\","
        "\"encoding\":\"base64\"},{\"path\":\"c\",\"content\":\"\"}],\"entrypoint\":\"a/b.py\","
        "\"compiler_options\":[\"-O2\"],\"args\":[\"a "
        "b\",\"\"],\"env\":{\"A\":\"1=2\",\"_b\":\"\"},"
        "\"tests\":[{\"id\":\"x\",\"stdin\":\"1\\u0000\",\"expected_output\":\"/w==\","
        "\"expected_output_encoding\":\"base64\",\"args\":[],\"limits\":{\"cpu_time_ms\":9},"
        "\"weight\":0.5},{}],\"stop_on_failure\":true,"
        "\"checker\":{\"type\":\"floats\",\"absolute\":0.25,\"relative\":0,\"ignore_case\":true},"
        "\"limits\":{\"memory_bytes\":5},\"merge_stderr\":true,\"network\":true,\"hints\":true,"
        "\"cache\":\"result\",\"priority\":\"high\",\"retention_seconds\":60,"
        "\"metadata\":{\"a\":[1,2.50]}}",
        false, &e);
    MUST(job);
    assert_string_equal(job->language, "python@3.11");
    assert_int_equal(job->file_count, 2);
    assert_string_equal(job->files[0].path, "a/b.py");
    assert_int_equal(job->files[0].content.len, 2);
    assert_memory_equal(job->files[0].content.ptr, "\xff\0", 2);
    assert_non_null(job->files[1].content.ptr);
    assert_string_equal(job->entrypoint, "a/b.py");
    assert_string_equal(job->compiler_options[0], "-O2");
    assert_string_equal(job->args[0], "a b");
    assert_string_equal(job->args[1], "");
    assert_null(job->args[2]);
    assert_string_equal(job->env[0], "A=1=2");
    assert_string_equal(job->env[1], "_b=");
    assert_true(job->has_tests);
    assert_int_equal(job->test_count, 2);
    assert_string_equal(job->tests[0].id, "x");
    assert_int_equal(job->tests[0].stdin_data.len, 2);
    assert_int_equal(job->tests[0].expected.len, 1);
    assert_non_null(job->tests[0].args);
    assert_null(job->tests[0].args[0]);
    assert_int_equal(job->tests[0].limits.cpu_us, 9000);
    assert_true(job->tests[0].weight == 0.5);
    assert_string_equal(job->tests[1].id, "2");
    assert_null(job->tests[1].args);
    assert_true(job->stop_on_failure && job->merge_stderr && job->network && job->hints);
    assert_int_equal(job->checker.type, CHECKER_FLOATS);
    assert_true(job->checker.absolute == 0.25 && job->checker.relative == 0);
    assert_true(job->checker.ignore_case);
    assert_int_equal(job->limits.memory_bytes, 5);
    assert_int_equal(job->cache, CACHE_RESULT);
    assert_int_equal(job->priority, PRIORITY_HIGH);
    assert_int_equal(job->retention_us, 60000000);
    assert_string_equal(job->metadata, "{\"a\":[1,2.50]}");
    round_trip(job);
}

TEST(null_is_as_good_as_absent)
{
    struct err e = { 0 };
    CLEANUP(job_free)
    struct job *job =
        read_job(BODY(",\"tests\":null,\"files\":null,\"stdin\":null,\"webhook_url\":null,"
                      "\"collect\":null,\"limits\":null,\"checker\":null,\"id\":null"),
                 false, &e);
    MUST(job);
    assert_false(job->has_tests);
    assert_null(job->tests[0].stdin_data.ptr);
}

TEST(top_level_input_and_output_make_one_test)
{
    struct err e = { 0 };
    CLEANUP(job_free)
    struct job *job = read_job(BODY(",\"stdin\":\"\",\"expected_output\":\"//4=\","
                                    "\"expected_output_encoding\":\"base64\""),
                               false, &e);
    MUST(job);
    assert_int_equal(job->test_count, 1);
    assert_non_null(job->tests[0].stdin_data.ptr);
    assert_int_equal(job->tests[0].stdin_data.len, 0);
    assert_int_equal(job->tests[0].expected.len, 2);
    round_trip(job);
}

TEST(an_integer_language_is_a_judge0_id)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *job = read_job("{\"language\":54,\"source\":\"\"}", false, &e);
    MUST(job);
    assert_string_equal(job->language, "54");
    round_trip(job);
}

TEST(bad_jobs_are_refused_by_field_and_sentence)
{
    static const struct {
        const char *text, *field, *needle;
    } cases[] = {
        { "[]", "", "an array" },
        { "null", "", "null" },
        { "{}", "language", "missing" },
        { "{\"language\":\"c\"}", "source", "missing" },
        { "{\"source\":\"x\"}", "language", "missing" },
        { "{\"language\":1.5,\"source\":\"x\"}", "language", "a number" },
        { "{\"language\":\"\",\"source\":\"x\"}", "language", "empty" },
        { "{\"language\":\"a\\u0000\",\"source\":\"x\"}", "language", "NUL" },
        { "{\"language\":\"c\",\"source\":5}", "source", "a string" },
        { "{\"language\":\"c\",\"source\":\"!\",\"source_encoding\":\"base64\"}", "source",
          "base64" },
        { "{\"language\":\"c\",\"source\":\"x\",\"source_encoding\":\"utf8\"}", "source_encoding",
          "\"utf-8\"" },
        { "{\"language\":\"c\",\"source\":\"x\",\"files\":[{\"path\":\"a\",\"content\":\"\"}]}",
          "files", "beside source" },
        { "{\"language\":\"c\",\"files\":[{\"path\":\"a\",\"content\":\"\"}],\"source\":\"x\"}",
          "source", "beside files" },
        { "{\"language\":\"c\",\"files\":[]}", "files", "empty" },
        { "{\"language\":\"c\",\"files\":{}}", "files", "an object" },
        { "{\"language\":\"c\",\"files\":[5]}", "files[0]", "an integer" },
        { "{\"language\":\"c\",\"files\":[{\"path\":\"a\"}]}", "files[0].content", "missing" },
        { "{\"language\":\"c\",\"files\":[{\"content\":\"a\"}]}", "files[0].path", "missing" },
        { "{\"language\":\"c\",\"files\":[{\"path\":\"a\\u0000b\",\"content\":\"a\"}]}",
          "files[0].path", "NUL" },
        { "{\"language\":\"c\",\"files\":[{\"path\":\"a\\nb\",\"content\":\"a\"}]}",
          "files[0].path", "control" },
        { "{\"language\":\"c\",\"files\":[{\"path\":\"a\",\"contents\":\"a\"}]}",
          "files[0].contents", "\"content\"" },
        { BODY(",\"sorce\":1"), "sorce", "\"source\"" },
        { BODY(",\"zzzzzz\":1"), "zzzzzz", "not known" },
        { BODY(",\"limits\":{\"cpu_tim_ms\":1}"), "limits.cpu_tim_ms", "cpu_time_ms" },
        { BODY(",\"limits\":[]"), "limits", "an array" },
        { BODY(",\"tests\":[]"), "tests", "empty" },
        { BODY(",\"tests\":5"), "tests", "an integer" },
        { BODY(",\"tests\":[{},\"x\"]"), "tests[1]", "a string" },
        { BODY(",\"tests\":[{},{\"stdn\":\"\"}]"), "tests[1].stdn", "\"stdin\"" },
        { BODY(",\"tests\":[{\"limits\":{\"wall_time_ms\":-1}}]"), "tests[0].limits.wall_time_ms",
          "negative" },
        { BODY(",\"tests\":[{\"weight\":-1}]"), "tests[0].weight", "between 0" },
        { BODY(",\"tests\":[{\"weight\":1e300}]"), "tests[0].weight", "between 0" },
        { BODY(",\"tests\":[{\"weight\":\"1\"}]"), "tests[0].weight", "a string" },
        { BODY(",\"tests\":[{\"id\":\"\"}]"), "tests[0].id", "empty" },
        { BODY(",\"tests\":[{\"id\":7}]"), "tests[0].id", "an integer" },
        { BODY(",\"tests\":[{\"stdin\":[]}]"), "tests[0].stdin", "an array" },
        { BODY(",\"tests\":[{\"stdin\":\"*\",\"stdin_encoding\":\"base64\"}]"), "tests[0].stdin",
          "base64" },
        { BODY(",\"tests\":[{\"args\":[\"a\",\"\\u0000\"]}]"), "tests[0].args[1]", "NUL" },
        { BODY(",\"tests\":[{}],\"stdin\":\"x\""), "stdin", "beside tests" },
        { BODY(",\"expected_output\":\"x\",\"tests\":[{}]"), "expected_output", "beside tests" },
        { BODY(",\"args\":\"x\""), "args", "a string" },
        { BODY(",\"args\":[1]"), "args[0]", "an integer" },
        { BODY(",\"args\":[null]"), "args[0]", "null" },
        { BODY(",\"compiler_options\":[\"a\\u0000\"]"), "compiler_options[0]", "NUL" },
        { BODY(",\"env\":[]"), "env", "an array" },
        { BODY(",\"env\":{\"A=B\":\"x\"}"), "env.A=B", "no name" },
        { BODY(",\"env\":{\"\":\"x\"}"), "env.", "no name" },
        { BODY(",\"env\":{\"1A\":\"x\"}"), "env.1A", "no name" },
        { BODY(",\"env\":{\"A\":1}"), "env.A", "an integer" },
        { BODY(",\"env\":{\"A\":\"\\u0000\"}"), "env.A", "NUL" },
        { BODY(",\"checker\":\"lines\""), "checker", "a string" },
        { BODY(",\"checker\":{}"), "checker.type", "missing" },
        { BODY(",\"checker\":{\"type\":\"words\"}"), "checker.type", "\"tokens\"" },
        { BODY(",\"checker\":{\"type\":7}"), "checker.type", "\"tokens\"" },
        { BODY(",\"checker\":{\"type\":\"program\",\"source\":\"x\"}"), "checker.type",
          "not supported yet" },
        { BODY(",\"checker\":{\"type\":\"lines\",\"absolute\":1}"), "checker.absolute",
          "\"floats\"" },
        { BODY(",\"checker\":{\"type\":\"floats\",\"relative\":-1}"), "checker.relative",
          "between 0" },
        { BODY(",\"checker\":{\"type\":\"lines\",\"tolerance\":1}"), "checker.tolerance",
          "not known" },
        { BODY(",\"network\":1"), "network", "true or false" },
        { BODY(",\"cache\":\"all\""), "cache", "\"build\", \"result\", \"none\"" },
        { BODY(",\"priority\":\"urgent\""), "priority", "\"low\", \"normal\", \"high\"" },
        { BODY(",\"retention_seconds\":0"), "retention_seconds", "between 1" },
        { BODY(",\"retention_seconds\":9223372036854775807"), "retention_seconds", "between 1" },
        { BODY(",\"metadata\":[]"), "metadata", "an array" },
        { BODY(",\"webhook_url\":5"), "webhook_url", "must be a string" },
        { BODY(",\"webhook_url\":\"ftp://x\""), "webhook_url", "http:// or https://" },
        { BODY(",\"webhook_url\":\"http://x/a b\""), "webhook_url", "spaces" },
        { BODY(",\"callback_url\":\"http://x\""), "callback_url", "set by the server" },
        { BODY(",\"tenant\":\"t\""), "tenant", "set by the server" },
        { BODY(",\"start_at_us\":1"), "start_at_us", "set by the server" },
        { BODY(",\"delay_seconds\":-1"), "delay_seconds", "between 0" },
        { BODY(",\"delay_seconds\":2592001"), "delay_seconds", "between 0" },
        { BODY(",\"collect\":\"*\""), "collect", "an array" },
        { BODY(",\"store\":0"), "store", "true or false" },
        { BODY(",\"id\":\"0b1c4f5e-0000-4000-8000-000000000000\""), "id", "set by the server" },
        { BODY(",\"created_at_us\":1"), "created_at_us", "set by the server" },
        { BODY(",\"face\":{}"), "face", "set by the server" },
        { BODY(",\"runs\":2"), "runs", "set by the server" },
        { BODY(",\"single\":true"), "single", "set by the server" },
        { BODY(",\"entrypoint\":\"\""), "entrypoint", "empty" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };
        CLEANUP(job_free) struct job *job = read_job(cases[i].text, false, &e);
        if (job)
            fail_msg("%s was taken", cases[i].text);
        assert_int_equal(e.kind, ERR_INVALID);
        if (strcmp(e.field, cases[i].field) != 0 || !strstr(e.text, cases[i].needle))
            fail_msg("%s says: [%s] %s", cases[i].text, e.field, e.text);
        if (!strstr(e.text, e.field))
            fail_msg("%s does not name %s", e.text, e.field);
    }
}

/* {"language":"toy","source":"s","KEY":[ITEM,ITEM,...]} */
static struct job *read_many(const char *key, const char *item, size_t count, struct err *e)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    buf_addf(&text, "{\"language\":\"toy\",\"source\":\"s\",\"%s\":[", key);
    for (size_t i = 0; i < count; i++)
        buf_addf(&text, "%s%s", i ? "," : "", item);
    buf_add_text(&text, "]}");
    return read_job(text.ptr, false, e);
}

TEST(too_many_of_anything_is_refused_early)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *enough = read_many("tests", "{}", 10000, &e);
    MUST(enough);
    assert_int_equal(enough->test_count, 10000);
    assert_string_equal(enough->tests[9999].id, "10000");
    assert_null(read_many("tests", "{}", 10001, &e));
    assert_string_equal(e.field, "tests");
    assert_null(read_many("tests", "{}", 1000000, &e));
    assert_non_null(strstr(e.text, "1000000"));
    CLEANUP(job_free) struct job *words = read_many("args", "\"\"", 256, &e);
    MUST(words);
    assert_null(read_many("args", "\"\"", 257, &e));
    assert_string_equal(e.field, "args");
}

TEST(long_words_and_metadata_are_refused)
{
    struct err e = { 0 };
    char longest[40000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CLEANUP(buf_done) struct buf text = { 0 };
    buf_addf(&text, BODY(",\"args\":[\"%.20000s\",\"%.20000s\"]"), longest, longest);
    assert_null(read_job(text.ptr, false, &e));
    assert_string_equal(e.field, "args");
    buf_reset(&text);
    buf_addf(&text, BODY(",\"env\":{\"A\":\"%.20000s\",\"B\":\"%.20000s\"}"), longest, longest);
    assert_null(read_job(text.ptr, false, &e));
    assert_string_equal(e.field, "env");
    buf_reset(&text);
    buf_addf(&text, BODY(",\"metadata\":{\"a\":\"%.4100s\"}"), longest);
    assert_null(read_job(text.ptr, false, &e));
    assert_string_equal(e.field, "metadata");
    buf_reset(&text);
    buf_addf(&text, BODY(",\"%.3000s\":1"), longest);
    assert_null(read_job(text.ptr, false, &e));
    assert_int_equal(strlen(e.field), sizeof e.field - 1);
}

/* ---- checking ---- */

static const struct language_text languages[] = {
    { "toy.yaml",
      LANGUAGE_HEAD("toy") "run: [/bin/cat, '{source}']\nsource_file: toy.txt\n"
                           "aliases: [t]\njudge0:\n  - {id: 71, source_file: script.t}\n"
                           "  - {id: 4, archived: true}\n" },
    { "built.yaml", LANGUAGE_HEAD("built") "run: [./a.out]\nbuild: [/bin/cp, '{source}', a.out]\n"
                                           "artifact: [a.out]\nsource_file: Main.b\n"
                                           "time_factor: 2\nmemory_factor: 1.5\n"
                                           "memory_extra_mb: 10\nprocesses_least: 90\n" },
    { "absent.yaml", "id: absent\nname: Absent\npackage: absent-tools\nrun: [/nonexistent/x]\n"
                     "version: {argv: [/nonexistent/x], pattern: '(x)'}\n"
                     "test: {source: x, expected: x}\n" },
    { "multi.yaml", LANGUAGE_HEAD("multi") "run: [/bin/sh, run]\n" },
};

static struct catalogue *catalogue;

static const struct job_policy policy = {
    .defaults = { .cpu_us = 5000000,
                  .cpu_extra_us = 1000000,
                  .wall_us = 10000000,
                  .memory_bytes = 100 << 20,
                  .stack_bytes = 64 << 20,
                  .processes = 60,
                  .output_bytes = 1 << 20,
                  .file_bytes = 1 << 20 },
    .most = { .cpu_us = 15000000,
              .cpu_extra_us = 5000000,
              .wall_us = 20000000,
              .memory_bytes = 512 << 20,
              .stack_bytes = 128 << 20,
              .processes = 120,
              .output_bytes = 4 << 20,
              .file_bytes = 4 << 20 },
    .tests_max = 100,
    .files_max = 5,
    .source_bytes_max = 1000,
};

/* Read and check; NULL and e when one of the two fails. */
static struct job *checked(const char *text, struct err *e)
{
    CLEANUP(job_free) struct job *job = read_job(text, false, e);
    if (!job || !job_check(job, catalogue, &policy, e))
        return NULL;
    return TAKE(job);
}

TEST(checking_names_the_source_and_fills_every_limit)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *job = checked("{\"language\":\"t@3\",\"source\":\"s\"}", &e);
    MUST(job);
    assert_string_equal(job->language, "toy");
    assert_string_equal(job->files[0].path, "toy.txt");
    assert_null(job->entrypoint);
    assert_memory_equal(&job->limits, &policy.defaults, sizeof job->limits);
    assert_memory_equal(&job->tests[0].limits, &policy.defaults, sizeof job->limits);
    round_trip(job);
}

TEST(hints_are_the_policys_unless_the_job_says)
{
    static const struct {
        const char *text;
        bool policy, hints;
    } cases[] = {
        { "{\"language\":\"toy\",\"source\":\"s\"}", true, true },
        { "{\"language\":\"toy\",\"source\":\"s\"}", false, false },
        { "{\"language\":\"toy\",\"source\":\"s\",\"hints\":null}", true, true },
        { "{\"language\":\"toy\",\"source\":\"s\",\"hints\":false}", true, false },
        { "{\"language\":\"toy\",\"source\":\"s\",\"hints\":true}", false, true },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };
        struct job_policy own = policy;
        own.hints = cases[i].policy;
        CLEANUP(job_free) struct job *job = read_job(cases[i].text, false, &e);
        MUST(job);
        MUST(job_check(job, catalogue, &own, &e));
        assert_int_equal(job->hints, cases[i].hints);
    }
}

TEST(defaults_follow_the_language_and_stay_below_the_most)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *job = checked("{\"language\":\"built\",\"source\":\"s\"}", &e);
    MUST(job);
    assert_int_equal(job->limits.cpu_us, 10000000);
    assert_int_equal(job->limits.wall_us, 20000000);
    assert_int_equal(job->limits.memory_bytes, 160 << 20);
    assert_int_equal(job->limits.processes, 90);
    assert_int_equal(job->limits.stack_bytes, 64 << 20);
    struct job_policy narrow = policy;
    narrow.most.cpu_us = 7000000;
    narrow.most.processes = 80;
    CLEANUP(job_free)
    struct job *bounded = read_job("{\"language\":\"built\",\"source\":\"s\"}", false, &e);
    MUST(job_check(bounded, catalogue, &narrow, &e));
    assert_int_equal(bounded->limits.cpu_us, 7000000);
    assert_int_equal(bounded->limits.processes, 80);
}

TEST(limits_asked_for_are_taken_as_they_are)
{
    struct err e = { 0 };
    CLEANUP(job_free)
    struct job *job =
        checked("{\"language\":\"built\",\"source\":\"s\",\"limits\":{\"memory_bytes\":2097152,"
                "\"cpu_time_ms\":15000,\"wall_time_ms\":1,\"processes\":1},"
                "\"tests\":[{},{\"limits\":{\"processes\":2}}]}",
                &e);
    MUST(job);
    assert_int_equal(job->limits.memory_bytes, 2097152);
    assert_int_equal(job->limits.cpu_us, 15000000);
    assert_int_equal(job->limits.wall_us, 1000);
    assert_int_equal(job->limits.processes, 1);
    assert_int_equal(job->tests[0].limits.processes, 1);
    assert_int_equal(job->tests[1].limits.processes, 2);
    assert_int_equal(job->tests[1].limits.memory_bytes, 2097152);
    round_trip(job);
}

TEST(asking_for_cpu_time_alone_brings_the_wall_time_to_use_it)
{
    struct err e = { 0 };
    CLEANUP(job_free)
    struct job *job = checked(BODY(",\"limits\":{\"cpu_time_ms\":8000}"), &e);
    MUST(job);
    assert_int_equal(job->limits.wall_us, 16000000);
    CLEANUP(job_free) struct job *most = checked(BODY(",\"limits\":{\"cpu_time_ms\":15000}"), &e);
    MUST(most);
    assert_int_equal(most->limits.wall_us, 20000000);
    CLEANUP(job_free) struct job *little = checked(BODY(",\"limits\":{\"cpu_time_ms\":1}"), &e);
    MUST(little);
    assert_int_equal(little->limits.wall_us, 10000000);
    CLEANUP(job_free)
    struct job *test = checked(BODY(",\"tests\":[{\"limits\":{\"cpu_time_ms\":9000}}]"), &e);
    MUST(test);
    assert_int_equal(test->limits.wall_us, 10000000);
    assert_int_equal(test->tests[0].limits.wall_us, 18000000);
}

TEST(limits_out_of_range_say_the_value_and_the_bound)
{
    static const struct {
        const char *text, *field, *needle;
    } cases[] = {
        { BODY(",\"limits\":{\"memory_bytes\":9000000000}"), "limits.memory_bytes",
          "is 9000000000, at most 536870912" },
        { BODY(",\"limits\":{\"cpu_time_ms\":15001}"), "limits.cpu_time_ms",
          "is 15001, at most 15000" },
        { BODY(",\"limits\":{\"wall_time_ms\":0}"), "limits.wall_time_ms", "is 0, at least 1" },
        { BODY(",\"limits\":{\"processes\":0}"), "limits.processes", "is 0, at least 1" },
        { BODY(",\"limits\":{\"memory_bytes\":1}"), "limits.memory_bytes", "at least 1048576" },
        { BODY(",\"tests\":[{},{},{},{\"limits\":{\"output_bytes\":9999999}}]"),
          "tests[3].limits.output_bytes", "is 9999999, at most 4194304" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };
        if (checked(cases[i].text, &e))
            fail_msg("%s was taken", cases[i].text);
        assert_string_equal(e.field, cases[i].field);
        if (!strstr(e.text, cases[i].needle) || !strstr(e.text, cases[i].field))
            fail_msg("%s says: %s", cases[i].text, e.text);
    }
    struct err e = { 0 };
    CLEANUP(job_free) struct job *none = checked(BODY(",\"limits\":{\"cpu_time_ms\":0}"), &e);
    MUST(none); /* 0 means none */
}

TEST(judge0_ids_bring_their_own_source_file)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *job = checked("{\"language\":71,\"source\":\"s\"}", &e);
    MUST(job);
    assert_string_equal(job->language, "toy");
    assert_string_equal(job->files[0].path, "script.t");
    assert_string_equal(job->entrypoint, "script.t");
    round_trip(job);
    MUST(job_check(job, catalogue, &policy, &e));
    assert_string_equal(job->files[0].path, "script.t");
}

TEST(the_entry_point_comes_first)
{
    struct err e = { 0 };
    CLEANUP(job_free)
    struct job *job =
        checked("{\"language\":\"toy\",\"files\":[{\"path\":\"a\",\"content\":\"1\"},"
                "{\"path\":\"b\",\"content\":\"2\"},{\"path\":\"toy.txt\",\"content\":\"3\"}]}",
                &e);
    MUST(job);
    assert_string_equal(job->files[0].path, "toy.txt");
    assert_string_equal(job->files[1].path, "a");
    assert_string_equal(job->files[2].path, "b");
    assert_null(job->entrypoint);
    CLEANUP(job_free)
    struct job *named =
        checked("{\"language\":\"toy\",\"entrypoint\":\"b/c\",\"files\":[{\"path\":\"a\","
                "\"content\":\"\"},{\"path\":\"b/c\",\"content\":\"\"}]}",
                &e);
    MUST(named);
    assert_string_equal(named->files[0].path, "b/c");
    CLEANUP(job_free)
    struct job *only =
        checked("{\"language\":\"toy\",\"files\":[{\"path\":\"x.t\",\"content\":\"\"}]}", &e);
    MUST(only);
    assert_string_equal(only->entrypoint, "x.t");
    CLEANUP(job_free)
    struct job *source = checked(BODY(",\"entrypoint\":\"dir/x.t\""), &e);
    MUST(source);
    assert_string_equal(source->files[0].path, "dir/x.t");
    assert_string_equal(source->entrypoint, "dir/x.t");
    CLEANUP(job_free)
    struct job *project =
        checked("{\"language\":\"multi\",\"files\":[{\"path\":\"run\",\"content\":\"\"}]}", &e);
    MUST(project);
    assert_null(project->entrypoint);
}

TEST(jobs_that_cannot_run_are_refused)
{
    static const struct {
        const char *text, *field, *needle;
    } cases[] = {
        { "{\"language\":\"tyo\",\"source\":\"\"}", "language", "\"toy\"" },
        { "{\"language\":\"toy@2\",\"source\":\"\"}", "language", "3.11.2" },
        { "{\"language\":5,\"source\":\"\"}", "language", "with id 5 doesn't exist" },
        { "{\"language\":-5,\"source\":\"\"}", "language", "not known" },
        { "{\"language\":99999999999999,\"source\":\"\"}", "language", "doesn't exist" },
        { "{\"language\":\"4\",\"source\":\"\"}", "language", "archived" },
        { "{\"language\":\"absent\",\"source\":\"\"}", "language", "package absent-tools" },
        { "{\"language\":\"multi\",\"source\":\"\"}", "source", "must be files" },
        { BODY(",\"compiler_options\":[\"-O2\"]"), "compiler_options", "compiled languages" },
        { BODY(",\"network\":true"), "network", "not allowed" },
        { BODY(",\"entrypoint\":\"../x\""), "entrypoint", "\"..\"" },
        { BODY(",\"entrypoint\":\"/x\""), "entrypoint", "relative" },
        { BODY(",\"tests\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"a\"}]"), "tests",
          "\"a\" twice" },
        { BODY(",\"tests\":[{\"id\":\"2\"},{}]"), "tests", "\"2\" twice" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = { 0 };
        if (checked(cases[i].text, &e))
            fail_msg("%s was taken", cases[i].text);
        assert_int_equal(e.kind, ERR_INVALID);
        if (strcmp(e.field, cases[i].field) != 0 || !strstr(e.text, cases[i].needle))
            fail_msg("%s says: [%s] %s", cases[i].text, e.field, e.text);
    }
}

static bool takes_path(const char *first, const char *second, struct err *e)
{
    CLEANUP(job_free) struct job *job = job_new();
    struct job_file files[2] = { { first, STR("") }, { second, STR("") } };
    job->language = "multi";
    job->files = files;
    job->file_count = second ? 2 : 1;
    return job_check(job, catalogue, &policy, e);
}

TEST(paths_stay_inside_the_box)
{
    static const char *const bad[] = {
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/..",
        "a/../b",
        ".",
        "./a",
        "a/.",
        "a//b",
        "a/",
        "//",
        "a/./b",
        "a\nb",
        "\x7f",
        "1/2/3/4/5/6/7/8/9",
    };
    struct err e = { 0 };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (takes_path(bad[i], NULL, &e))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_string_equal(e.field, "files[0].path");
    }
    static const char *const good[] = { "a",        "a.b",     "...",
                                        "..a",      ".hidden", "a b",
                                        "\xc3\xa9", "-x",      "1/2/3/4/5/6/7/8" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        MUST(takes_path(good[i], NULL, &e));
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[256] = '\0';
    assert_false(takes_path(longest, NULL, &e));
    longest[255] = '\0';
    MUST(takes_path(longest, NULL, &e));
}

TEST(two_files_may_not_claim_one_place)
{
    struct err e = { 0 };
    assert_false(takes_path("a", "a", &e));
    assert_string_equal(e.field, "files");
    assert_false(takes_path("a", "a/b", &e));
    assert_false(takes_path("a/b/c", "a/b", &e));
    MUST(takes_path("a", "ab", &e));
    MUST(takes_path("a/b", "a/c", &e));
    MUST(takes_path("a-b", "a/b", &e));

    CLEANUP(job_free) struct job *job = job_new();
    struct job_file files[4] = {
        { "a", STR("") }, { "a-b", STR("") }, { "a.c", STR("") }, { "a/b", STR("") }
    };
    job->language = "multi";
    job->files = files;
    job->file_count = 4;
    assert_false(
        job_check(job, catalogue, &policy, &e)); /* though "a" and "a/b" are not neighbours */
}

TEST(the_policy_bounds_tests_files_and_bytes)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *tests = read_many("tests", "{}", 101, &e);
    assert_false(job_check(tests, catalogue, &policy, &e));
    assert_string_equal(e.field, "tests");
    assert_non_null(strstr(e.text, "101"));

    CLEANUP(job_free) struct job *files = job_new();
    struct job_file many[6] = { { "toy.txt", STR("") }, { "b", STR("") }, { "c", STR("") },
                                { "d", STR("") },       { "e", STR("") }, { "f", STR("") } };
    files->language = "toy";
    files->files = many;
    files->file_count = 6;
    assert_false(job_check(files, catalogue, &policy, &e));
    assert_string_equal(e.field, "files");
    files->file_count = 5;
    MUST(job_check(files, catalogue, &policy, &e));

    char bytes[1001];
    memset(bytes, 'x', sizeof bytes);
    CLEANUP(job_free) struct job *large = job_new();
    struct job_file one = { NULL, { bytes, sizeof bytes } };
    large->language = "toy";
    large->files = &one;
    large->file_count = 1;
    assert_false(job_check(large, catalogue, &policy, &e));
    assert_string_equal(e.field, "source");
    one.content.len = 1000;
    one.path = NULL;
    MUST(job_check(large, catalogue, &policy, &e));
    assert_int_equal(large->test_count, 1);
}

/* ---- the stored form ---- */

TEST(the_stored_form_keeps_everything)
{
    struct err e = { 0 };
    CLEANUP(job_free)
    struct job *job = checked(
        "{\"language\":\"built\",\"source\":\"\\u0000/w==\",\"compiler_options\":[\"-a\"],"
        "\"args\":[\"x\"],\"env\":{\"A\":\"b\"},\"stdin\":\"in\",\"expected_output\":\"out\","
        "\"collect\":[\"out/"
        "*.png\"],\"metadata\":{\"k\":null},\"cache\":\"none\",\"priority\":\"low\"}",
        &e);
    MUST(job);
    job->face = "{\"judge0\":{\"language_id\":54}}";
    job->webhook_url = "https://example.org/hook";
    job->callback_url = "http://example.org/back";
    job->tenant = "ab12";
    job->start_us = job->created_us + 5;
    job->runs = 3;
    job->forget = true;
    job->retention_us = 1500;
    job->trace = trace_new();
    job->trace.flags = TRACE_SAMPLED;
    job->tracestate = "a=1,b=2";
    CLEANUP(buf_done) struct buf text = { 0 };
    job_to_json(job, &text);
    CLEANUP(job_free) struct job *back = read_job(text.ptr, true, &e);
    MUST(back);
    assert_string_equal(back->id, job->id);
    assert_true(back->created_us == job->created_us);
    assert_string_equal(back->language, "built");
    assert_string_equal(back->files[0].path, "Main.b");
    assert_true(str_eq(back->files[0].content, job->files[0].content));
    assert_string_equal(back->compiler_options[0], "-a");
    assert_string_equal(back->args[0], "x");
    assert_string_equal(back->env[0], "A=b");
    assert_string_equal(back->collect[0], "out/*.png");
    assert_memory_equal(&back->limits, &job->limits, sizeof job->limits);
    assert_memory_equal(&back->tests[0].limits, &job->tests[0].limits, sizeof job->limits);
    assert_false(back->has_tests);
    assert_int_equal(back->test_count, 1);
    assert_true(str_is(back->tests[0].stdin_data, "in"));
    assert_true(str_is(back->tests[0].expected, "out"));
    assert_string_equal(back->face, job->face);
    assert_string_equal(back->metadata, job->metadata);
    assert_string_equal(back->webhook_url, job->webhook_url);
    assert_string_equal(back->callback_url, job->callback_url);
    assert_string_equal(back->tenant, "ab12");
    assert_true(back->start_us == job->start_us);
    assert_int_equal(back->runs, 3);
    assert_true(back->forget);
    assert_true(back->retention_us == 1500);
    assert_memory_equal(&back->trace, &job->trace, sizeof job->trace);
    assert_string_equal(back->tracestate, "a=1,b=2");
    assert_int_equal(back->cache, CACHE_NONE);
    assert_int_equal(back->priority, PRIORITY_LOW);
    MUST(job_check(back, catalogue, &policy, &e));
    round_trip(back);
}

static void fingerprint_of(const char *text, char out[HASH_TEXT])
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *job = checked(text, &e);
    MUST(job);
    job_fingerprint(job, out);
}

TEST(a_record_without_a_trace_is_a_record)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *none = read_job(BODY(""), true, &e);
    MUST(none);
    assert_string_equal(none->trace.id, "");
    assert_null(none->tracestate);
    CLEANUP(job_free) struct job *odd = read_job(BODY(",\"trace\":\"00-zz\""), true, &e);
    MUST(odd);
    assert_string_equal(odd->trace.id, "");
    CLEANUP(job_free) struct job *sent = read_job(BODY(",\"trace\":\"00-zz\""), false, &e);
    assert_null(sent);
}

TEST(a_fingerprint_minds_no_trace)
{
    struct err e = { 0 };
    char first[HASH_TEXT], again[HASH_TEXT], work[HASH_TEXT], work_again[HASH_TEXT];
    CLEANUP(job_free) struct job *job = checked(BODY(""), &e);
    MUST(job);
    job_fingerprint(job, first);
    job_work_hash(job, work);
    job->trace = trace_new();
    job->tracestate = "a=1";
    job_fingerprint(job, again);
    job_work_hash(job, work_again);
    assert_string_equal(first, again);
    assert_string_equal(work, work_again);
}

TEST(a_fingerprint_is_about_what_was_asked_not_when)
{
    static const char *const others[] = {
        BODY(",\"stdin\":\"x\""),
        BODY(",\"delay_seconds\":3"),
        BODY(",\"priority\":\"low\""),
        BODY(",\"store\":false"),
        BODY(",\"metadata\":{\"a\":1}"),
        BODY(",\"webhook_url\":\"http://x\""),
        BODY(",\"limits\":{\"cpu_time_ms\":500}"),
    };
    char first[HASH_TEXT], again[HASH_TEXT];
    fingerprint_of(BODY(",\"delay_seconds\":2.5"), first);
    fingerprint_of(BODY(",\"delay_seconds\":2.5"), again);
    assert_string_equal(first, again);
    fingerprint_of(BODY(""), first);
    fingerprint_of(BODY(""), again);
    assert_string_equal(first, again);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        fingerprint_of(others[i], again);
        assert_string_not_equal(first, again);
    }
}

TEST(a_delay_counts_from_when_the_job_came)
{
    struct err e = { 0 };
    CLEANUP(job_free) struct job *job = checked(BODY(",\"delay_seconds\":1.5"), &e);
    MUST(job);
    assert_true(job->start_us == job->created_us + 1500000);
    CLEANUP(job_free) struct job *now = checked(BODY(",\"delay_seconds\":0"), &e);
    MUST(now);
    assert_true(now->start_us == 0);
}

TEST(a_damaged_stored_job_is_refused)
{
    static const char *const bad[] = {
        BODY(",\"id\":\"../../etc\""), BODY(",\"id\":5"),          BODY(",\"created_at_us\":-1"),
        BODY(",\"runs\":0"),           BODY(",\"face\":5"),        BODY(",\"retention_us\":-1"),
        BODY(",\"single\":1"),         BODY(",\"webhook_url\":5"), BODY(",\"collect\":[5]"),
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err e = { 0 };
        CLEANUP(job_free) struct job *job = read_job(bad[i], true, &e);
        if (job)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(e.kind, ERR_INVALID);
    }
}

TEST(priorities_have_names)
{
    assert_string_equal(priority_name(PRIORITY_LOW), "low");
    assert_string_equal(priority_name(PRIORITY_NORMAL), "normal");
    assert_string_equal(priority_name(PRIORITY_HIGH), "high");
    job_free(NULL);
}

static int load_languages(UNUSED void **state)
{
    struct err e = { 0 };
    catalogue = catalogue_of(languages, COUNT_OF(languages), &e);
    if (!catalogue)
        print_error("%s\n", e.text);
    return catalogue ? 0 : -1;
}

static int free_languages(UNUSED void **state)
{
    catalogue_free(catalogue);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_smallest_job_has_the_documented_defaults),
        T(every_key_of_the_api_is_read),
        T(null_is_as_good_as_absent),
        T(top_level_input_and_output_make_one_test),
        T(an_integer_language_is_a_judge0_id),
        T(bad_jobs_are_refused_by_field_and_sentence),
        T(too_many_of_anything_is_refused_early),
        T(long_words_and_metadata_are_refused),
        T(checking_names_the_source_and_fills_every_limit),
        T(hints_are_the_policys_unless_the_job_says),
        T(defaults_follow_the_language_and_stay_below_the_most),
        T(limits_asked_for_are_taken_as_they_are),
        T(asking_for_cpu_time_alone_brings_the_wall_time_to_use_it),
        T(limits_out_of_range_say_the_value_and_the_bound),
        T(judge0_ids_bring_their_own_source_file),
        T(the_entry_point_comes_first),
        T(jobs_that_cannot_run_are_refused),
        T(paths_stay_inside_the_box),
        T(two_files_may_not_claim_one_place),
        T(the_policy_bounds_tests_files_and_bytes),
        T(the_stored_form_keeps_everything),
        T(a_record_without_a_trace_is_a_record),
        T(a_fingerprint_minds_no_trace),
        T(a_fingerprint_is_about_what_was_asked_not_when),
        T(a_delay_counts_from_when_the_job_came),
        T(a_damaged_stored_job_is_refused),
        T(priorities_have_names),
    };
    return cmocka_run_group_tests(tests, load_languages, free_languages);
}
