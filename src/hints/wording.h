/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wording.h - from a pattern that matched to its sentence. Internal to hints/.
 *
 * What may stand in it: names from the compiler's messages and from the source; names a running
 * program printed only if they stand in its source too, numbers it printed never. So neither the
 * input nor the expected output of a hidden test can get into a hint.
 */
#ifndef EVALX_HINTS_WORDING_H
#define EVALX_HINTS_WORDING_H

#include "hints/facts.h"

struct match {
    const struct pattern *pattern;
    struct groups groups[TEXT_COUNT]; /* regex NULL: the pattern does not ask for this text */
};

/* A {place} at this brace; false: it is only a brace. */
bool wording_place(const char *text, struct str *ret);

/* The sentence, in arena; NULL when no wording can be filled. */
const char *wording_fill(const struct facts *f, const struct match *m, struct arena *arena);

/* A line number from the group "line" of a match; 0: none, or none of the source. */
size_t wording_line(const struct facts *f, const struct groups *g);

#endif
