/* SPDX-License-Identifier: Apache-2.0 */
/*
 * near.h - the name somebody probably meant: "did you mean ...?".
 *
 *   struct near near = near_start(word);
 *   for (...)
 *       near_try(&near, name);
 *   if (near.best) ...
 *
 * A name is near when two edits or fewer (a letter inserted, removed, changed, or two neighbours
 * swapped) lead to it, one for short words, or when one begins with the other. Case does not count.
 *
 * Threads: any; no state beyond the struct.
 */
#ifndef EVALX_LANG_NEAR_H
#define EVALX_LANG_NEAR_H

#include <stddef.h>

#include "base/str.h"

struct near {
    struct str word;
    const char *best; /* borrowed; NULL while nothing is near */
    size_t distance;  /* of best */
};

struct near near_start(struct str word);
void near_try(struct near *n, const char *name);

/* Number of edits between a and b, at most `most` + 1, which says "more". */
size_t edit_distance(struct str a, struct str b, size_t most);

#endif
