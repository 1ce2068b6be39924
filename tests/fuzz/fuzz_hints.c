/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a compiler and a program printed, as source and as expected output, for every
 * language: no crash, and what is made is bounded text.
 */
#include "base/text.h"
#include "fuzz.h"
#include "hints/hints.h"

static void try(const struct hint_book *book, const char *language, enum verdict v, struct str text)
{
    CLEANUP(job_free) struct job *job = job_new();
    CLEANUP(result_free) struct result *result = result_new();
    struct job_file file = { .content = text };
    struct job_test test = { .expected = { text.ptr, text.len / 2 } };
    struct test_result outcome = { .id = "1", .outcome = { .verdict = v, .exit_code = 1 } };
    outcome.outcome.out = outcome.outcome.err = text;
    job->language = language;
    job->files = &file;
    job->tests = &test;
    job->file_count = job->test_count = 1;
    result->verdict = v;
    result->compile.out = text;
    result->tests = &outcome;
    result->test_count = 1;
    hints_find(book, job, result);
    CHECK(result->hint_count <= HINTS_MOST);
    for (size_t i = 0; i < result->hint_count; i++)
        CHECK(utf8_valid(str_of(result->hints[i].text)) && strlen(result->hints[i].text) < 4096);
}

FUZZ(text)
{
    static struct hint_book *book;
    static const char *const languages[] = { "python", "c", "cpp", "java", "javascript" };
    static const enum verdict verdicts[] = { VERDICT_RUNTIME_ERROR, VERDICT_COMPILE_ERROR,
                                             VERDICT_WRONG_ANSWER, VERDICT_CPU_TIME_LIMIT };
    struct err e;
    if (!book)
        book = hints_load(NULL, &e);
    CHECK(book);
    if (text.len > 0)
        try(book, languages[(unsigned char)text.ptr[0] % COUNT_OF(languages)],
            verdicts[(unsigned char)text.ptr[0] / 8 % COUNT_OF(verdicts)], text);
}
