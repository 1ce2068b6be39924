/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/judge.h"

#include "base/clock.h"
#include "test.h"

#include <errno.h>
#include <signal.h>

struct pair {
    struct str output, expected;
    bool match;
};

#define PAIR(output_, expected_, match_)                                                           \
    {                                                                                              \
        { output_, sizeof(output_) - 1 }, { expected_, sizeof(expected_) - 1 }, match_             \
    }

static void check_pairs(const struct checker *checker, const struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (outputs_match(checker, pairs[i].expected, pairs[i].output) != pairs[i].match)
            fail_msg("pair %zu: \"%.*s\" against \"%.*s\"", i, STR_FMT(pairs[i].output),
                     STR_FMT(pairs[i].expected));
}

/* ---- lines ---- */

TEST(lines_answer_as_the_judge0_contract_lists)
{
    static const struct checker lines = { .type = CHECKER_LINES };
    static const struct pair pairs[] = {
        PAIR("a  \nb\t\n", "a\nb", true),
        PAIR("a\r\nb\r\n", "a\nb", true),
        PAIR("a\nb", "a \nb\n\n", true),
        PAIR("a\0\n", "a", true),
        PAIR("\xff\xfe ", "\xff\xfe", true),
        PAIR("\n", "", true),
        PAIR(" a", "a", false),
        PAIR("\na", "a", false),
        PAIR("a\n\nb", "a\nb", false),
        PAIR("a  b", "a b", false),
        PAIR("a\xc2\xa0", "a", false),
        PAIR("A", "a", false),
        PAIR("1.0", "1", false),
        /* Ours: nothing printed answers nothing expected. */
        PAIR("", "", true),
        PAIR("", "\n", true),
        PAIR("", " ", true),
        PAIR("", "a", false),
        PAIR("a", "", false),
    };
    check_pairs(&lines, pairs, COUNT_OF(pairs));
    assert_true(outputs_match(&lines, STR(""), STR_NULL));
}

TEST(lines_strip_every_kind_of_white_space_at_the_end_alone)
{
    static const struct checker lines = { .type = CHECKER_LINES };
    static const struct pair pairs[] = {
        PAIR("a\t\v\f\r \0", "a", true), PAIR("a\t\nb", "a\n\tb", false),
        PAIR("a\n \n\t\n", "a", true),   PAIR("a\n \nb", "a\n\nb", true),
        PAIR("a\0b", "a\0b", true),      PAIR("a\0b", "a", false),
        PAIR("a\nb\nc", "a\nb", false),  PAIR("a\nb", "a\nb\nc", false),
        PAIR("\n\na", "\n\na", true),    PAIR("a\rb", "a\nb", false),
        PAIR("a\x1f", "a", false),       PAIR("a\x85", "a", false),
    };
    check_pairs(&lines, pairs, COUNT_OF(pairs));
}

/* The algorithm of the contract, word for word and slow. */
static struct str slow_norm(struct str text, struct buf *out)
{
    CLEANUP(buf_done) struct buf copy = { 0 };
    static const char set[] = "\0\t\n\v\f\r ";
    size_t len = text.len, start = 0;
    while (len > 0 && text.ptr[len - 1] == '\n') /* trailing empty lines */
        len--;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && text.ptr[i] != '\n')
            continue;
        size_t end = i;
        while (end > start && memchr(set, text.ptr[end - 1], 7))
            end--;
        if (start > 0)
            buf_add_char(&copy, '\n');
        buf_add(&copy, text.ptr + start, end - start);
        start = i + 1;
    }
    while (copy.len > 0 && memchr(set, copy.ptr[copy.len - 1], 7))
        copy.len--;
    buf_add(out, copy.ptr, copy.len);
    return buf_str(out);
}

TEST(lines_agree_with_the_contract_s_algorithm_on_every_short_text)
{
    static const struct checker lines = { .type = CHECKER_LINES };
    static const char letters[] = "a \n\r\0";
    enum { KINDS = 5, LENGTH = 4, TEXTS = 5 * 5 * 5 * 5 };
    char texts[TEXTS][LENGTH];
    for (size_t i = 0; i < TEXTS; i++)
        for (size_t k = 0, rest = i; k < LENGTH; k++, rest /= KINDS)
            texts[i][k] = letters[rest % KINDS];
    for (size_t i = 0; i < TEXTS; i++) {
        for (size_t k = i; k < TEXTS; k += 7) {
            CLEANUP(buf_done) struct buf left = { 0 }, right = { 0 };
            struct str a = { texts[i], LENGTH }, b = { texts[k], 1 + k % LENGTH };
            bool want = str_eq(slow_norm(a, &left), slow_norm(b, &right));
            if (outputs_match(&lines, a, b) != want)
                fail_msg("texts %zu and %zu", i, k);
        }
    }
}

/* ---- the other checkers ---- */

TEST(exact_means_every_byte)
{
    static const struct checker exact = { .type = CHECKER_EXACT };
    static const struct pair pairs[] = {
        PAIR("a\n", "a\n", true),   PAIR("a", "a\n", false),     PAIR("", "", true),
        PAIR("a\0b", "a\0b", true), PAIR("a\0b", "a\0c", false), PAIR("A", "a", false),
    };
    check_pairs(&exact, pairs, COUNT_OF(pairs));
}

TEST(tokens_are_words_between_any_white_space)
{
    static const struct checker tokens = { .type = CHECKER_TOKENS };
    static const struct pair pairs[] = {
        PAIR("1 2\n3", "1\n2\t3\n", true),
        PAIR("  1", "1", true),
        PAIR("12", "1 2", false),
        PAIR("1 2", "1 2 3", false),
        PAIR("1 2 3", "1 2", false),
        PAIR("", " \n", true),
        PAIR("", "x", false),
        PAIR("1.0", "1", false),
        PAIR("a\0b", "a b", true),
        PAIR("X", "x", false),
    };
    check_pairs(&tokens, pairs, COUNT_OF(pairs));
}

TEST(case_is_ignored_only_when_asked)
{
    static const enum checker_type types[] = { CHECKER_LINES, CHECKER_EXACT, CHECKER_TOKENS,
                                               CHECKER_FLOATS, CHECKER_UNORDERED };
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct checker checker = { .type = types[i] };
        assert_false(outputs_match(&checker, STR("yes NO"), STR("YES no")));
        checker.ignore_case = true;
        assert_true(outputs_match(&checker, STR("yes NO"), STR("YES no")));
        assert_false(outputs_match(&checker, STR("yes"), STR("yet")));
        assert_false(outputs_match(&checker, STR("@"), STR("`")));
        assert_false(outputs_match(&checker, STR("\xc3\x89"), STR("\xc3\xa9")));
    }
}

TEST(floats_accept_either_tolerance)
{
    static const struct checker floats = { CHECKER_FLOATS, 1e-6, 1e-6, false };
    static const struct pair pairs[] = {
        PAIR("1.0", "1", true),
        PAIR("1.0000005", "1", true),
        PAIR("1.00001", "1", false),
        PAIR("1000000.5", "1000000", true), /* relative */
        PAIR("0.0000005", "0", true),       /* absolute */
        PAIR("-0", "0", true),
        PAIR("1e3", "1000", true),
        PAIR("+5", "5.", true),
        PAIR(".5", "0.5", true),
        PAIR("case 1: 2.0000001", "case 1: 2", true),
        PAIR("case 1: 2", "Case 1: 2", false),
        PAIR("1 2", "1", false),
        PAIR("nan", "nan", true),
        PAIR("nan", "1", false),
        PAIR("inf", "inf", true),
        PAIR("inf", "1e400", false),
        PAIR("1e400", "1e400", true), /* as words */
        PAIR("1e400", "1e401", false),
        PAIR("1", "1e400", false),
        PAIR("1e308", "-1e308", false),
        PAIR("0x10", "16", false),
        PAIR("1,5", "1.5", false),
        PAIR("1e", "1", false),
        PAIR(".", "0", false),
        PAIR("-", "0", false),
        PAIR("1.2.3", "1.2", false),
        PAIR("1e-400", "0", true),
    };
    check_pairs(&floats, pairs, COUNT_OF(pairs));
    static const struct checker strict = { CHECKER_FLOATS, 0, 0, false };
    assert_true(outputs_match(&strict, STR("1.50"), STR("1.5")));
    assert_false(outputs_match(&strict, STR("1.5"), STR("1.5000000001")));
}

TEST(a_number_of_any_length_is_read)
{
    static const struct checker floats = { CHECKER_FLOATS, 1e-6, 1e-6, false };
    CLEANUP(buf_done) struct buf digits = { 0 };
    buf_add_text(&digits, "0.");
    for (int i = 0; i < 100000; i++)
        buf_add_char(&digits, '3');
    assert_true(outputs_match(&floats, STR("0.333333333"), buf_str(&digits)));
    assert_false(outputs_match(&floats, STR("0.334"), buf_str(&digits)));
}

TEST(unordered_lines_match_as_a_multiset)
{
    static const struct checker unordered = { .type = CHECKER_UNORDERED };
    static const struct pair pairs[] = {
        PAIR("a\nb\nc", "c\na\nb\n", true),
        PAIR("a\nb", "a\nb\nb", false),
        PAIR("a\na\nb", "a\nb\nb", false),
        PAIR("a \nb\t", "b\na", true),
        PAIR("", "", true),
        PAIR("\n\n", "", true),
        PAIR("ab", "a\nb", false),
        PAIR("a\n\nb", "b\na", false),
        PAIR("a\n\nb", "b\n\na", true),
        PAIR("a b", "b a", false),
        PAIR("12345678\n9", "9\n12345678", true),
        PAIR("1234567\0", "1234567", true),
        PAIR("x\0y\nz", "z\nx\0y", true),
        PAIR("x\0y\nz", "z\nx", false),
    };
    check_pairs(&unordered, pairs, COUNT_OF(pairs));
}

/* Four megabytes of what would hurt a quadratic comparison. */
TEST(large_and_nasty_outputs_are_compared_in_one_walk)
{
    enum { SIZE = 4 << 20 };
    static const char *const nasty[] = { "\n", " ", "a\n", " \n", "x ", "1 ", "1e1 ", "\0" };
    CLEANUP(buf_done) struct buf a = { 0 }, b = { 0 };
    int64_t start = mono_us();
    for (size_t i = 0; i < COUNT_OF(nasty); i++) {
        size_t len = nasty[i][0] ? strlen(nasty[i]) : 1;
        buf_reset(&a);
        buf_reset(&b);
        while (a.len < SIZE)
            buf_add(&a, nasty[i], len);
        buf_add_str(&b, buf_str(&a));
        buf_add_text(&a, "end");
        for (int type = CHECKER_LINES; type <= CHECKER_UNORDERED; type++) {
            struct checker checker = { .type = (enum checker_type)type };
            assert_true(outputs_match(&checker, buf_str(&a), buf_str(&a)));
            assert_false(outputs_match(&checker, buf_str(&a), buf_str(&b)));
        }
    }
    assert_true(mono_us() - start < 120 * US_PER_S); /* a quadratic walk takes days */
}

/* ---- verdicts ---- */

static const struct checker any_lines = { .type = CHECKER_LINES };
static const struct limits limits = { .cpu_us = 1000000,
                                      .wall_us = 2000000,
                                      .memory_bytes = INT64_C(128000) * 1024,
                                      .output_bytes = 1 << 20,
                                      .stack_bytes = 64 << 20,
                                      .file_bytes = 1 << 20 };

static struct outcome judged(struct report report, struct str expected, struct arena *arena)
{
    struct outcome o;
    judge(&report, &any_lines, expected, &limits, arena, &o);
    return o;
}

TEST(every_end_has_its_verdict_limit_and_sentence)
{
    static const struct {
        struct report report;
        enum verdict verdict;
        const char *limit;
        int exit_code, signal;
        const char *message;
    } cases[] = {
        { { .end = END_EXIT }, VERDICT_ACCEPTED, NULL, 0, 0, NULL },
        { { .end = END_EXIT, .exit_code = 3 },
          VERDICT_RUNTIME_ERROR,
          NULL,
          3,
          0,
          "Exited with code 3; 0 would mean success." },
        { { .end = END_CPU, .signal = SIGKILL, .cpu_us = 1004000 },
          VERDICT_CPU_TIME_LIMIT,
          "cpu_time",
          -1,
          9,
          "Killed after using 1.00 s of CPU time; the limit is 1.00 s." },
        { { .end = END_CPU, .cpu_us = 1200000 },
          VERDICT_CPU_TIME_LIMIT,
          "cpu_time",
          -1,
          0,
          "Used 1.20 s of CPU time; the limit is 1.00 s." },
        { { .end = END_WALL, .signal = SIGKILL, .wall_us = 2010000, .cpu_us = 30000 },
          VERDICT_WALL_TIME_LIMIT,
          "wall_time",
          -1,
          9,
          "Killed after 2.01 s, of which it computed 0.03 s; it may run for 2.00 s. Does it wait "
          "for input or sleep?" },
        { { .end = END_MEMORY, .signal = SIGKILL },
          VERDICT_MEMORY_LIMIT,
          "memory",
          -1,
          9,
          "Stopped for using more memory than allowed; the limit is 125 MiB." },
        { { .end = END_OUTPUT, .signal = SIGKILL, .out_cut = true },
          VERDICT_OUTPUT_LIMIT,
          "output",
          -1,
          9,
          "Stopped for printing more than allowed; the limit is 1 MiB." },
        { { .end = END_CANCELLED, .signal = SIGKILL }, VERDICT_CANCELLED, NULL, -1, 9, NULL },
        { { .end = END_SIGNAL, .signal = SIGSEGV },
          VERDICT_RUNTIME_ERROR,
          NULL,
          -1,
          11,
          "Stopped by SIGSEGV: it used memory that is not its own: an index out of range, a bad "
          "pointer, or a recursion too deep." },
        { { .end = END_SIGNAL, .signal = 40 },
          VERDICT_RUNTIME_ERROR,
          NULL,
          -1,
          40,
          "Stopped by signal 40." },
        { { .end = END_NO_EXEC, .exec_errno = ENOENT },
          VERDICT_RUNTIME_ERROR,
          NULL,
          127,
          0,
          "Could not be started: the program, or what should run it, is not there." },
        { { .end = END_NO_EXEC, .exec_errno = ENOEXEC },
          VERDICT_RUNTIME_ERROR,
          NULL,
          126,
          0,
          "Could not be started: it is no program for this machine." },
        { { .end = END_NO_EXEC, .exec_errno = EISDIR },
          VERDICT_RUNTIME_ERROR,
          NULL,
          126,
          0,
          "Could not be started: Is a directory." },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(arena_done) struct arena arena = { 0 };
        struct outcome o = judged(cases[i].report, STR_NULL, &arena);
        if (o.verdict != cases[i].verdict || o.exit_code != cases[i].exit_code ||
            o.signal != cases[i].signal)
            fail_msg("case %zu: %s, exit %d, signal %d", i, verdict_name(o.verdict), o.exit_code,
                     o.signal);
        if (!o.limit != !cases[i].limit || (o.limit && strcmp(o.limit, cases[i].limit) != 0))
            fail_msg("case %zu: limit %s", i, o.limit ? o.limit : "none");
        if (!o.message != !cases[i].message ||
            (o.message && strcmp(o.message, cases[i].message) != 0))
            fail_msg("case %zu: %s", i, o.message ? o.message : "no message");
    }
}

TEST(the_exit_code_of_a_shell_tells_the_signal_behind_it)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct outcome o =
        judged((struct report){ .end = END_EXIT, .exit_code = 139 }, STR_NULL, &arena);
    assert_int_equal(o.exit_code, 139);
    assert_int_equal(o.signal, 0);
    assert_non_null(strstr(o.message, "SIGSEGV"));
}

TEST(figures_and_texts_are_carried_over_as_copies)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct report report = { .end = END_EXIT,
                             .exit_code = 1,
                             .wall_us = 11,
                             .cpu_us = 12,
                             .memory_bytes = 13,
                             .err_cut = true };
    buf_add(&report.out, "a\0b", 3);
    struct outcome o;
    judge(&report, &any_lines, STR_NULL, &limits, &arena, &o);
    buf_done(&report.out);
    assert_int_equal(o.wall_us + o.cpu_us + o.memory_bytes, 36);
    assert_int_equal(o.out.len, 3);
    assert_memory_equal(o.out.ptr, "a\0b", 3);
    assert_null(o.err.ptr);
    assert_true(o.err_cut && !o.out_cut);
}

static struct outcome answered(const char *output, struct str expected, struct arena *arena)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    buf_add_text(&out, output);
    return judged((struct report){ .end = END_EXIT, .out = out }, expected, arena);
}

TEST(only_a_run_that_succeeded_is_compared)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    assert_int_equal(answered("x", STR("x"), &arena).verdict, VERDICT_ACCEPTED);
    assert_int_equal(answered("y", STR("x"), &arena).verdict, VERDICT_WRONG_ANSWER);
    assert_int_equal(answered("y", STR_NULL, &arena).verdict, VERDICT_ACCEPTED);
    assert_int_equal(answered("", STR(""), &arena).verdict, VERDICT_ACCEPTED);
    assert_int_equal(answered("y", STR("x"), &arena).exit_code, 0);
    struct outcome failed =
        judged((struct report){ .end = END_EXIT, .exit_code = 1 }, STR(""), &arena);
    assert_int_equal(failed.verdict, VERDICT_RUNTIME_ERROR);
    struct outcome slow = judged((struct report){ .end = END_CPU }, STR(""), &arena);
    assert_int_equal(slow.verdict, VERDICT_CPU_TIME_LIMIT);
}

TEST(a_wrong_answer_says_where_and_gives_nothing_away)
{
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct outcome o = answered("1\n2\nx\n", STR("1\n2\nsecret\n"), &arena);
    assert_string_equal(o.message, "The output differs from the expected one, first in line 3.");
    o = answered("", STR("secret"), &arena);
    assert_string_equal(o.message, "It printed nothing, though output was expected.");
    o = answered(" \n", STR("secret"), &arena);
    assert_string_equal(o.message, "It printed nothing but white space, though more was expected.");
}

RUN_TESTS(T(lines_answer_as_the_judge0_contract_lists),
          T(lines_strip_every_kind_of_white_space_at_the_end_alone),
          T(lines_agree_with_the_contract_s_algorithm_on_every_short_text),
          T(exact_means_every_byte), T(tokens_are_words_between_any_white_space),
          T(case_is_ignored_only_when_asked), T(floats_accept_either_tolerance),
          T(a_number_of_any_length_is_read), T(unordered_lines_match_as_a_multiset),
          T(large_and_nasty_outputs_are_compared_in_one_walk),
          T(every_end_has_its_verdict_limit_and_sentence),
          T(the_exit_code_of_a_shell_tells_the_signal_behind_it),
          T(figures_and_texts_are_carried_over_as_copies), T(only_a_run_that_succeeded_is_compared),
          T(a_wrong_answer_says_where_and_gives_nothing_away))
