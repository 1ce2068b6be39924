/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - time in microseconds.
 *
 * mono_us() is for durations and deadlines: never jumps. wall_us() is for people and history:
 * microseconds since 1970 UTC, jumps when an operator sets the clock. Code whose behaviour depends
 * on time takes it as an argument, so tests need not sleep.
 *
 * Threads: any.  Source: clock_gettime(2).
 */
#ifndef EVALX_BASE_CLOCK_H
#define EVALX_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define US_PER_MS INT64_C(1000)
#define US_PER_S  INT64_C(1000000)

int64_t mono_us(void);
int64_t wall_us(void);

struct timespec us_to_timespec(int64_t us);

/* "2026-11-23T12:46:43.982Z": UTC, three fractional digits; out holds 25 bytes or more. */
void wall_text(int64_t us, char *out, size_t size);

/*
 * Today's date for deciding what is old enough to be deleted: a time of day that jumps is not
 * believed before it has stood for an hour. Until then the earlier of the two counts, the one shown
 * and the one that went on, so nothing is deleted too soon. Zero at first: believes what it sees.
 */
struct calendar {
    int64_t wall_us, mono_us; /* when both were last believed; 0: never */
    int64_t off_us, since_us; /* what is shown now is off by so much since then; 0: it is not */
};

/* The date by the calendar; wall and mono are the clocks now. Threads: one at a time. */
int64_t calendar_date(struct calendar *c, int64_t wall, int64_t mono);

#endif
