/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.h - what happened to the user's program: all outcomes, named in one table.
 *
 * A verdict is never about us: VERDICT_INTERNAL_ERROR is what remains when trouble of ours outlived
 * every attempt.
 */
#ifndef EVALX_JOB_VERDICT_H
#define EVALX_JOB_VERDICT_H

#include <stdbool.h>

#include "base/str.h"

enum verdict {
    VERDICT_NONE, /* not decided yet */
    VERDICT_ACCEPTED,
    VERDICT_WRONG_ANSWER,
    VERDICT_COMPILE_ERROR,
    VERDICT_CPU_TIME_LIMIT,
    VERDICT_WALL_TIME_LIMIT,
    VERDICT_MEMORY_LIMIT,
    VERDICT_OUTPUT_LIMIT,
    VERDICT_RUNTIME_ERROR,
    VERDICT_CHECKER_ERROR,
    VERDICT_CANCELLED,
    VERDICT_INTERNAL_ERROR,
    VERDICT_SKIPPED, /* a test not run because an earlier one failed (stop_on_failure) */
    VERDICT_COUNT,
};

/* "accepted", "wrong_answer", ...; VERDICT_NONE is "none". Stable: part of the API. */
const char *verdict_name(enum verdict v);

/* "Accepted", "CPU time limit exceeded", ...: for people. */
const char *verdict_title(enum verdict v);

/* VERDICT_NONE when there is no such name. */
enum verdict verdict_find(struct str name);

#endif
