/* SPDX-License-Identifier: Apache-2.0 */
#include "job/result.h"

#include <string.h>

struct result *result_new(void)
{
    struct result *r = calloc(1, sizeof *r);
    CHECK(r);
    return r;
}

void result_free(struct result *r)
{
    if (!r)
        return;
    arena_done(&r->arena);
    free(r);
}

struct result *result_internal_error(const char *why)
{
    struct result *r = result_new();
    r->verdict = VERDICT_INTERNAL_ERROR;
    r->message = arena_text(&r->arena, why);
    return r;
}

struct result *result_cancelled(void)
{
    struct result *r = result_new();
    r->verdict = VERDICT_CANCELLED;
    return r;
}

/* Without tests only the build step can tell; what was decided before stays. */
static void sum_up_build(struct result *r)
{
    enum verdict v = r->compile.verdict;
    if (r->verdict == VERDICT_NONE && r->compiled && v != VERDICT_ACCEPTED && v != VERDICT_NONE)
        r->verdict = VERDICT_COMPILE_ERROR;
}

void result_sum_up(struct result *r)
{
    r->cpu_us = r->wall_us = r->memory_bytes = 0;
    r->score = 0;
    if (r->test_count == 0) {
        sum_up_build(r);
        return;
    }

    enum verdict first = VERDICT_ACCEPTED;
    double accepted = 0, all = 0;
    for (size_t i = 0; i < r->test_count; i++) {
        const struct test_result *t = &r->tests[i];
        enum verdict v = t->outcome.verdict;
        all += t->weight;
        if (v == VERDICT_ACCEPTED)
            accepted += t->weight;
        else if (v != VERDICT_SKIPPED && first == VERDICT_ACCEPTED)
            first = v;
        r->cpu_us += t->outcome.cpu_us;
        r->wall_us += t->outcome.wall_us;
        r->memory_bytes = MAX(r->memory_bytes, t->outcome.memory_bytes);
    }
    r->verdict = first;
    if (all > 0)
        r->score = accepted / all;
    else
        r->score = first == VERDICT_ACCEPTED ? 1 : 0; /* every weight is 0 */
}
