/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge.h - report + expected output = outcome. Pure.
 */
#ifndef EVALX_ENGINE_JUDGE_H
#define EVALX_ENGINE_JUDGE_H

#include "base/arena.h"
#include "job/job.h"
#include "job/result.h"
#include "sandbox/report.h"

/* True when output answers expected, as the checker sees it. Source: Judge0 contract 3.8 for lines.
 */
bool outputs_match(const struct checker *checker, struct str expected, struct str output);

/*
 * Judge one run. Texts are copied into arena.
 *
 * expected  ptr NULL: any output is accepted
 * limits    those the run had, for the message
 */
void judge(const struct report *report, const struct checker *checker, struct str expected,
           const struct limits *limits, struct arena *arena, struct outcome *ret);

#endif
