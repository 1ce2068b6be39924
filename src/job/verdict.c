/* SPDX-License-Identifier: Apache-2.0 */
#include "job/verdict.h"

#include <stddef.h>

static const struct {
    const char *name;
    const char *title;
} verdicts[] = {
    [VERDICT_NONE] = { "none", "Not decided" },
    [VERDICT_ACCEPTED] = { "accepted", "Accepted" },
    [VERDICT_WRONG_ANSWER] = { "wrong_answer", "Wrong answer" },
    [VERDICT_COMPILE_ERROR] = { "compile_error", "Compilation error" },
    [VERDICT_CPU_TIME_LIMIT] = { "cpu_time_limit", "CPU time limit exceeded" },
    [VERDICT_WALL_TIME_LIMIT] = { "wall_time_limit", "Wall time limit exceeded" },
    [VERDICT_MEMORY_LIMIT] = { "memory_limit", "Memory limit exceeded" },
    [VERDICT_OUTPUT_LIMIT] = { "output_limit", "Output limit exceeded" },
    [VERDICT_RUNTIME_ERROR] = { "runtime_error", "Runtime error" },
    [VERDICT_CHECKER_ERROR] = { "checker_error", "Checker error" },
    [VERDICT_CANCELLED] = { "cancelled", "Cancelled" },
    [VERDICT_INTERNAL_ERROR] = { "internal_error", "Internal error" },
    [VERDICT_SKIPPED] = { "skipped", "Skipped" },
};
_Static_assert(sizeof verdicts / sizeof verdicts[0] == VERDICT_COUNT, "one row per verdict");

const char *verdict_name(enum verdict v)
{
    return (unsigned)v < VERDICT_COUNT ? verdicts[v].name : verdicts[VERDICT_NONE].name;
}

const char *verdict_title(enum verdict v)
{
    return (unsigned)v < VERDICT_COUNT ? verdicts[v].title : verdicts[VERDICT_NONE].title;
}

enum verdict verdict_find(struct str name)
{
    for (unsigned v = 0; v < VERDICT_COUNT; v++)
        if (str_is(name, verdicts[v].name))
            return (enum verdict)v;
    return VERDICT_NONE;
}
