/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hints: every capture of tests/hints/corpus gives the hint it is named after, word for word as it
 * was captured, every pattern has such a case, and nothing a test keeps secret gets into one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "hints/book.h"
#include "hints/difference.h"
#include "test.h"

static struct hint_book *book;

/* ---- the corpus ---- */

struct sample {
    char language[32], id[80]; /* of the folder: may end in "~which" */
    struct job *job;
    struct result *result;
    char *text; /* the captured hint */
    struct buf source, input, expected;
};

static const char *corpus(void)
{
    const char *folder = getenv("EVALX_HINTS_CORPUS");
    return folder ? folder : "tests/hints/corpus";
}

static bool read_part(int dir, const char *name, struct buf *out)
{
    struct err e;
    return faccessat(dir, name, F_OK, 0) == 0 && file_read(dir, name, 1 << 20, out, &e);
}

static void read_program(int dir, struct buf *out)
{
    static const char *const names[] = { "main.py", "main.c",  "main.cpp",
                                         "main.js", "main.sh", "Main.java" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (read_part(dir, names[i], out))
            return;
    fail_msg("no program");
}

static void read_capture(int dir, struct sample *s)
{
    struct err e = { 0 };
    CLEANUP(buf_done) struct buf text = { 0 };
    if (!read_part(dir, "capture.json", &text))
        fail_msg("%s has no capture.json: run tests/hints/capture.py", s->id);
    CLEANUP(json_free) struct json *json = json_parse(buf_str(&text), &e);
    MUST(json);
    s->result = result_from_json(json, &e);
    MUST(s->result);
    if (s->result->hint_count == 0)
        fail_msg("%s was captured without a hint", s->id);
    s->text = strdup(s->result->hints[0].text);
    s->result->hints = NULL;
    s->result->hint_count = 0;
}

static void sample_read(int dir, struct sample *s)
{
    read_program(dir, &s->source);
    read_capture(dir, s);
    s->job = job_new();
    s->job->language = s->language;
    s->job->files = arena_array(&s->job->arena, 1, sizeof *s->job->files);
    s->job->files[0].content = buf_str(&s->source);
    s->job->file_count = 1;
    s->job->tests = arena_array(&s->job->arena, 1, sizeof *s->job->tests);
    s->job->test_count = 1;
    if (read_part(dir, "stdin", &s->input))
        s->job->tests[0].stdin_data = buf_str(&s->input);
    if (read_part(dir, "expected", &s->expected))
        s->job->tests[0].expected = buf_str(&s->expected);
}

static void sample_done(struct sample *s)
{
    job_free(s->job);
    result_free(s->result);
    free(s->text);
    buf_done(&s->source);
    buf_done(&s->input);
    buf_done(&s->expected);
}

/* Call fn for each sample; returns how many there are. */
static size_t each_sample(void (*fn)(struct sample *s, void *arg), void *arg)
{
    size_t count = 0;
    DIR *languages = opendir(corpus());
    if (!languages)
        fail_msg("no folder %s", corpus());
    for (struct dirent *l; (l = readdir(languages));) {
        int folder =
            l->d_name[0] == '.' ? -1 : openat(dirfd(languages), l->d_name, O_RDONLY | O_DIRECTORY);
        DIR *cases = folder < 0 ? NULL : fdopendir(folder);
        for (struct dirent *c; cases && (c = readdir(cases));) {
            if (c->d_name[0] == '.')
                continue;
            struct sample s = { 0 };
            snprintf(s.language, sizeof s.language, "%.31s", l->d_name);
            snprintf(s.id, sizeof s.id, "%.79s", c->d_name);
            CLEANUP(fd_close) int dir = openat(folder, c->d_name, O_RDONLY | O_DIRECTORY);
            sample_read(dir, &s);
            fn(&s, arg);
            sample_done(&s);
            count++;
        }
        if (cases)
            closedir(cases);
    }
    closedir(languages);
    return count;
}

static bool is_case_of(const char *folder, const char *id)
{
    size_t len = strlen(id);
    return strncmp(folder, id, len) == 0 && (folder[len] == '\0' || folder[len] == '~');
}

static void check_sample(struct sample *s, void *arg)
{
    int64_t *spent_us = arg, before = mono_us();
    hints_find(book, s->job, s->result);
    *spent_us += mono_us() - before;
    if (s->result->hint_count == 0)
        fail_msg("%s/%s: no hint", s->language, s->id);
    if (!is_case_of(s->id, s->result->hints[0].id))
        fail_msg("%s/%s: hint %s", s->language, s->id, s->result->hints[0].id);
    assert_string_equal(s->result->hints[0].text, s->text);
    assert_true(s->result->hint_count <= HINTS_MOST);
}

TEST(every_capture_gives_the_hint_it_is_named_after)
{
    int64_t spent_us = 0;
    size_t count = each_sample(check_sample, &spent_us);
    assert_true(count >= 100);
    print_message("%zu captures, %zu patterns, %.3f ms for each submission\n", count,
                  hints_count(book), (double)spent_us / (double)count / 1000);
}

static void mark_id(struct sample *s, void *arg)
{
    bool *seen = arg;
    for (size_t i = 0; i < hints_count(book); i++)
        if (is_case_of(s->id, hints_id(book, i)))
            seen[i] = true;
}

TEST(every_pattern_has_a_capture)
{
    bool seen[2000] = { 0 };
    size_t missing = 0;
    assert_true(hints_count(book) >= 100 && hints_count(book) < COUNT_OF(seen));
    each_sample(mark_id, seen);
    for (size_t i = 0; i < hints_count(book); i++)
        if (!seen[i]) {
            print_message("no capture of %s\n", hints_id(book, i));
            missing++;
        }
    assert_int_equal(missing, 0);
}

/* ---- secrets ---- */

static bool holds(struct str text, const char *word, size_t len)
{
    return text.ptr && memmem(text.ptr, text.len, word, len) != NULL;
}

/* No word of the hidden text that the learner does not know stands in the hint. */
static void check_hidden(const struct sample *s, struct str hidden, const char *hint)
{
    for (size_t i = 0; i < hidden.len;) {
        size_t start = i;
        while (i < hidden.len && hidden.ptr[i] > ' ')
            i++;
        if (i - start >= 3 && !holds(buf_str(&s->source), hidden.ptr + start, i - start) &&
            holds(str_of(hint), hidden.ptr + start, i - start))
            fail_msg("%s: \"%.*s\" is told", s->id, (int)(i - start), hidden.ptr + start);
        i += i == start;
    }
}

static void check_secrets(struct sample *s, UNUSED void *arg)
{
    hints_find(book, s->job, s->result);
    for (size_t i = 0; i < s->result->hint_count; i++) {
        check_hidden(s, buf_str(&s->input), s->result->hints[i].text);
        check_hidden(s, buf_str(&s->expected), s->result->hints[i].text);
    }
}

TEST(no_capture_tells_its_input_or_expected_output)
{
    each_sample(check_secrets, NULL);
}

/* A job of one Python program, and the result of one test. */
struct made {
    struct job *job;
    struct result *result;
};

static struct made make(const char *language, const char *source, enum verdict v)
{
    struct made m = { job_new(), result_new() };
    m.job->language = language;
    m.job->files = arena_array(&m.job->arena, 1, sizeof *m.job->files);
    m.job->files[0].content = str_of(source);
    m.job->file_count = 1;
    m.job->tests = arena_array(&m.job->arena, 1, sizeof *m.job->tests);
    m.job->test_count = 1;
    m.result->verdict = v;
    m.result->tests = arena_array(&m.result->arena, 1, sizeof *m.result->tests);
    m.result->test_count = 1;
    m.result->tests[0].id = "1";
    m.result->tests[0].outcome.verdict = v;
    m.result->tests[0].outcome.exit_code = v == VERDICT_RUNTIME_ERROR;
    return m;
}

static void made_done(struct made *m)
{
    job_free(m->job);
    result_free(m->result);
}
CLEANUP_FOR_STRUCT(struct made, made_done)

static struct outcome *outcome_of(struct made *m)
{
    return &m->result->tests[0].outcome;
}

static const char *hint_of(struct made *m)
{
    hints_find(book, m->job, m->result);
    return m->result->hint_count ? m->result->hints[0].text : "";
}

TEST(what_a_program_printed_is_told_only_if_its_source_has_it)
{
    static const char *const errors[] = {
        "NameError: name 'zebra' is not defined\n",
        "KeyError: 'zebra'\n",
        "ValueError: invalid literal for int() with base 10: 'zebra'\n",
        "ModuleNotFoundError: No module named 'zebra'\n",
        "AttributeError: 'list' object has no attribute 'zebra'\n",
        "ImportError: cannot import name 'zebra' from 'math' (unknown location)\n",
        "UnboundLocalError: cannot access local variable 'zebra' where it is not\n",
        "TypeError: zebra() missing 1 required positional argument: 'h'\n",
        "TypeError: area() got an unexpected keyword argument 'zebra'\n",
        "SyntaxError: zebra\n",
        "zebra\nSyntaxError: expected ':'\n",
        "zebra: wrong\n",
    };
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        CLEANUP(made_done)
        struct made m = make("python", "print(input())\n", VERDICT_RUNTIME_ERROR);
        outcome_of(&m)->err = str_of(errors[i]);
        const char *hint = hint_of(&m);
        assert_true(*hint);
        if (strstr(hint, "zebra"))
            fail_msg("%s told: %s", errors[i], hint);
    }
    CLEANUP(made_done) struct made m = make("python", "print(zebra)\n", VERDICT_RUNTIME_ERROR);
    outcome_of(&m)->err = str_of(errors[0]);
    assert_non_null(strstr(hint_of(&m), "`zebra`"));
}

TEST(a_line_number_beyond_the_source_is_not_told)
{
    CLEANUP(made_done) struct made m = make("python", "x = 1\n", VERDICT_RUNTIME_ERROR);
    outcome_of(&m)->err = STR("  File \"/box/main.py\", line 4711, in <module>\nKeyError: 'x'\n");
    assert_null(strstr(hint_of(&m), "4711"));
    assert_int_equal(m.result->hints[0].line, 0);
}

TEST(a_wrong_answer_never_tells_the_expected_output)
{
    static const char *const outputs[] = {
        "",
        "7391 zebra",
        "7391\nzebra",
        "7391 Zebra\n",
        "zebra 7391\n",
        "7391\n",
        "7392 zebra\n",
        "-7391 zebra\n",
        "7391.0 zebra\n",
        "x\n7391 zebra\ny\n",
        "7391 zebra more\n",
        "zebr\n",
    };
    for (size_t i = 0; i < COUNT_OF(outputs); i++) {
        CLEANUP(made_done) struct made m = make("python", "print(1)\n", VERDICT_WRONG_ANSWER);
        m.job->tests[0].expected = STR("7391 zebra\n");
        outcome_of(&m)->out = str_of(outputs[i]);
        const char *hint = hint_of(&m);
        assert_true(*hint);
        assert_null(strstr(hint, "zebra"));
        assert_null(strstr(hint, "7391"));
    }
}

/* ---- when there is none ---- */

TEST(an_accepted_program_gets_no_hint_whatever_it_printed)
{
    CLEANUP(made_done) struct made m = make("python", "print(1)\n", VERDICT_ACCEPTED);
    outcome_of(&m)->err = STR("Traceback (most recent call last):\nNameError: name 'x'\n");
    outcome_of(&m)->out = STR("error: segmentation fault\n");
    assert_string_equal(hint_of(&m), "");
}

TEST(trouble_of_ours_and_cancelled_jobs_get_no_hint)
{
    static const enum verdict verdicts[] = { VERDICT_INTERNAL_ERROR, VERDICT_CANCELLED,
                                             VERDICT_CHECKER_ERROR, VERDICT_SKIPPED };
    for (size_t i = 0; i < COUNT_OF(verdicts); i++) {
        CLEANUP(made_done) struct made m = make("c", "", verdicts[i]);
        assert_string_equal(hint_of(&m), "");
    }
}

TEST(no_book_gives_no_hint)
{
    CLEANUP(made_done) struct made m = make("c", "", VERDICT_RUNTIME_ERROR);
    hints_find(NULL, m.job, m.result);
    assert_int_equal(m.result->hint_count, 0);
}

TEST(a_later_error_is_hinted_as_one_when_the_first_has_no_hint)
{
    CLEANUP(made_done) struct made m = make("c", "a\nb\nc\n", VERDICT_COMPILE_ERROR);
    m.result->test_count = 0;
    m.result->compile.verdict = VERDICT_RUNTIME_ERROR;
    m.result->compile.out = STR("main.c:1:2: error: quite unheard of\n"
                                "main.c:3:2: error: duplicate case value\n");
    hint_of(&m);
    assert_int_equal(m.result->hint_count, 1);
    assert_true(m.result->hints[0].follow_up);
    assert_int_equal(m.result->hints[0].line, 3);
}

/* ---- hostile text ---- */

static double worst_ms(const char *language, enum verdict v, struct str text)
{
    CLEANUP(made_done) struct made m = make(language, "", v);
    m.job->files[0].content = text;
    m.job->tests[0].expected = STR("1 2 3\n");
    *outcome_of(&m) = (struct outcome){ .verdict = v, .exit_code = 1, .out = text, .err = text };
    m.result->compile.out = text;
    int64_t before = mono_us();
    hints_find(book, m.job, m.result);
    return (double)(mono_us() - before) / 1000;
}

TEST(any_bytes_are_safe_and_bounded)
{
    static const char *const units[] = { "\xff\xfe",
                                         "a",
                                         "main.c:1:2: error: ",
                                         "{(",
                                         "f(){f(",
                                         "\n",
                                         " 1",
                                         "\xc3",
                                         "File \"/box/main.py\", line 1\n",
                                         "range(len(",
                                         "error: 'x' \n",
                                         "int a[",
                                         "char *s = \"" };
    static const char *const languages[] = { "python", "c", "cpp", "java", "javascript" };
    static const enum verdict verdicts[] = { VERDICT_RUNTIME_ERROR, VERDICT_COMPILE_ERROR,
                                             VERDICT_WRONG_ANSWER, VERDICT_CPU_TIME_LIMIT };
    double worst = 0;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        CLEANUP(buf_done) struct buf text = { 0 };
        while (text.len < 200 * 1024)
            buf_add_text(&text, units[i]);
        for (size_t l = 0; l < COUNT_OF(languages); l++)
            for (size_t v = 0; v < COUNT_OF(verdicts); v++)
                worst = MAX(worst, worst_ms(languages[l], verdicts[v], buf_str(&text)));
    }
    print_message("worst of 200 KiB texts made to be slow: %.1f ms\n", worst);
    assert_true(worst < 5000);
}

/* ---- differences ---- */

TEST(differences_are_told_apart)
{
    static const struct {
        const char *expected, *output;
        enum difference kind;
        size_t line;
    } cases[] = {
        { "1\n", "", DIFF_NO_OUTPUT, 1 },
        { "1\n", " \n\n", DIFF_NO_OUTPUT, 1 },
        { "1\n", "1", DIFF_NO_NEWLINE, 2 },
        { "1\n", "1\n\n", DIFF_EXTRA_NEWLINE, 2 },
        { "1\n2\n", "1 \n2\n", DIFF_TRAILING, 3 },
        { "1\n2\n", "1\n\n2\n", DIFF_BLANK_LINES, 2 },
        { "a b\nc d\n", "a b\nc  d\n", DIFF_SPACES, 2 },
        { "1 2\n3\n", "1\n2 3\n", DIFF_LINE_BREAKS, 1 },
        { "1 2\n", "12\n", DIFF_JOINED, 1 },
        { "Yes\n", "YES\n", DIFF_CASE, 1 },
        { "Hello, you!\n", "Hello you\n", DIFF_PUNCTUATION, 1 },
        { "5\n", "5.0\n", DIFF_NUMBER_FORMAT, 1 },
        { "x 0.5\n", "x 5e-1\n", DIFF_NUMBER_FORMAT, 1 },
        { "2.5\n", "2\n", DIFF_CUT_OFF, 1 },
        { "-2.5\n", "-3\n", DIFF_CUT_OFF, 1 },
        { "3.14159\n", "3.142\n", DIFF_ROUNDING, 1 },
        { "1000\n", "1001\n", DIFF_OFF_BY_ONE, 1 }, /* whole numbers are not rounded */
        { "2147483648\n", "-2147483648\n", DIFF_OVERFLOW, 1 },
        { "10000000000\n", "1410065408\n", DIFF_OVERFLOW, 1 },
        { "7\n", "-7\n", DIFF_SIGN, 1 },
        { "1\n10\n", "1\n9\n", DIFF_OFF_BY_ONE, 2 },
        { "b\na\nc\n", "a\nb\nc\n", DIFF_LINE_ORDER, 1 },
        { "1 2 3\n", "3 2 1\n", DIFF_WORD_ORDER, 1 },
        { "hi\n", "hi\nNone\n", DIFF_NONE_PRINTED, 2 },
        { "8\n", "Enter a number: 8\n", DIFF_PROMPT, 1 },
        { "18\n", "118\n", DIFF_FIRST_LINE, 1 }, /* no prompt: a digit stands before */
        { "1\n2\n3\n", "1\n2\n", DIFF_TOO_SHORT, 3 },
        { "1\n2\n", "1\n2\n3\n", DIFF_TOO_LONG, 3 },
        { "1\n2\n", "x\n1\ny\n2\n", DIFF_EXTRA_LINES, 1 },
        { "Hello World\n", "Helo World\n", DIFF_TYPO, 1 },
        { "1\n2\n3\n50\n", "1\n2\n3\n77\n", DIFF_LAST_LINE, 4 },
        { "1\n2\n3\n", "1\n20\n30\n", DIFF_OTHER, 2 },
        { "10\n", "77\n", DIFF_FIRST_LINE, 1 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct difference_found d =
            difference_find(str_of(cases[i].expected), str_of(cases[i].output));
        if (d.kind != cases[i].kind || d.line != cases[i].line)
            fail_msg("%s against %s: %s in line %zu", cases[i].expected, cases[i].output,
                     difference_name(d.kind), d.line);
    }
}

TEST(long_outputs_are_not_looked_at_whole)
{
    CLEANUP(buf_done) struct buf a = { 0 }, b = { 0 };
    for (int i = 0; i < 100000; i++) {
        buf_addf(&a, "%d\n", i);
        buf_addf(&b, "%d\n", i == 70000 ? 1 : i);
    }
    struct difference_found d = difference_find(buf_str(&a), buf_str(&b));
    assert_int_equal(d.kind, DIFF_OTHER);
    assert_int_equal(d.line, 70001);
    assert_false(d.sure);
}

/* ---- pattern files ---- */

static void refuses(const char *yaml, const char *why)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct pattern_file f = { 0 };
    struct err e = { 0 };
    bool fine = pattern_file_parse("t.yaml", str_of(yaml), &arena, &f, &e);
    pattern_file_done(&f);
    assert_false(fine);
    if (!strstr(e.text, why))
        fail_msg("\"%s\" does not say \"%s\"", e.text, why);
}

#define PATTERN(rest) "patterns:\n  - id: a\n    title: t\n    confidence: certain\n" rest

TEST(a_wrong_pattern_file_is_named_with_line_and_key)
{
    refuses("patterns:\n  - idd: a\n", "line: 2");
    refuses(PATTERN("    when: {stderr: '('}\n    text: x\n"), "t.yaml: line 2: a: stderr: ");
    refuses(PATTERN("    when: {signal: [NONE]}\n    text: x\n"), "line 2: a: signal: ");
    refuses(PATTERN("    when: {verdict: [fine]}\n    text: x\n"), "a: verdict: ");
    refuses(PATTERN("    when: {limit: disk}\n    text: x\n"), "a: limit: ");
    refuses(PATTERN("    when: {exit: [256]}\n    text: x\n"), "a: exit: ");
    refuses(PATTERN("    when: {difference: [odd]}\n    text: x\n"), "a: difference: ");
    refuses(PATTERN("    when: {phase: later}\n    text: x\n"), "a: phase: ");
    refuses(PATTERN("    when: {stderr: 'a'}\n    text: 'x {1}'\n"), "a: text: ");
    refuses(PATTERN("    when: {stderr: 'a'}\n    near: 'x {near}'\n    text: x\n"), "a: near: ");
    refuses(PATTERN("    when: {stderr: 'a'}\n    table: no\n    text: x\n"), "a: table: ");
    refuses("where: abc\n" PATTERN("    when: {stderr: 'a'}\n    text: x\n"), "where: ");
}

int main(void)
{
    struct err e = { 0 };
    book = hints_load(getenv("EVALX_HINTS_DIR"), &e);
    if (!book) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        T(every_capture_gives_the_hint_it_is_named_after),
        T(every_pattern_has_a_capture),
        T(no_capture_tells_its_input_or_expected_output),
        T(what_a_program_printed_is_told_only_if_its_source_has_it),
        T(a_line_number_beyond_the_source_is_not_told),
        T(a_wrong_answer_never_tells_the_expected_output),
        T(an_accepted_program_gets_no_hint_whatever_it_printed),
        T(trouble_of_ours_and_cancelled_jobs_get_no_hint),
        T(no_book_gives_no_hint),
        T(a_later_error_is_hinted_as_one_when_the_first_has_no_hint),
        T(any_bytes_are_safe_and_bounded),
        T(differences_are_told_apart),
        T(long_outputs_are_not_looked_at_whole),
        T(a_wrong_pattern_file_is_named_with_line_and_key),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    hints_free(book);
    return failed;
}
