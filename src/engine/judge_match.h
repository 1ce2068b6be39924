/* SPDX-License-Identifier: Apache-2.0 */
/* judge_match.h - what the comparison tells the judge beyond yes and no. Internal to engine/. */
#ifndef EVALX_ENGINE_JUDGE_MATCH_H
#define EVALX_ENGINE_JUDGE_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* The first line, counted from 1, in which two texts differ as CHECKER_LINES sees it; 0: none. */
size_t first_difference(struct str expected, struct str output, bool ignore_case);

#endif
