/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - where a reader of a submission's events is, as their ids say it.
 *
 *   queued              knows that it waits
 *   running.2           knows that attempt 2 began
 *   tests.2.0-5,7       and has the results of tests 0 to 5 and 7 of that attempt
 *   finished            has everything
 *
 * An id says all that its reader has, not only the event it came with: tests end in any order, and
 * whichever process the reader comes back to knows nothing else of it. So what a reader has is kept
 * as ranges, of which there are few while tests begin in order.
 *
 * Threads: any; no state.
 */
#ifndef EVALX_HTTP_PLACE_H
#define EVALX_HTTP_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum {
    PLACE_RANGES = 64, /* beside one that begins with test 0 */
    PLACE_NUMBER_MOST = 999999999,
};

struct place_range {
    int first, last;
};

/* All zero: knows nothing. */
struct place {
    bool queued, finished;
    int attempt; /* that began; 0: none */
    int count;
    struct place_range ranges[PLACE_RANGES + 1]; /* ascending, and not next to each other */
};

/* What an id says. False: it is none of ours, ret is zeroed. */
MUST_USE bool place_read(struct str id, struct place *ret);

/* Append the id of a place that knows something. */
void place_write(const struct place *p, struct buf *out);

bool place_has(const struct place *p, int test);

/* The first test it does not have. */
int place_next(const struct place *p);

/* Has it from now on. False: the id would get too long. place_next() always fits. */
MUST_USE bool place_add(struct place *p, int test);

#endif
