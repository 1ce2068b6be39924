/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.h - when a delivery that failed is tried again.
 *
 * Threads: any; no state.
 */
#ifndef EVALX_WEBHOOK_SCHEDULE_H
#define EVALX_WEBHOOK_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { SCHEDULE_MOST = 50 };

struct schedule {
    int64_t delay_us[SCHEDULE_MOST]; /* before each attempt; the first one is at once */
    int count;                       /* attempts in all */
};

/*
 * words   NULL-ended: "0", "5", "300": seconds, or with ms, s, min, h, d
 * errors  INVALID a word that is no time, more than SCHEDULE_MOST, none, or a first one that is
 *         not 0
 */
MUST_USE bool schedule_read(const char *const *words, struct schedule *ret, struct err *e);

/* Judge0's: so many tries, each twice as long after the one before, from a second to a minute. */
struct schedule schedule_of_tries(int64_t tries);

/*
 * When the next attempt is due after attempts failed ones.
 *
 * retry_after_us  what the receiver asked for, or -1; honoured up to a day, never shortens the
 * delay chance          0..1, fresh for each call: up to a fifth of the delay is added, so that
 * what failed together does not come back together ret             false: that was the last one
 */
bool schedule_next(const struct schedule *s, int attempts, int64_t retry_after_us, double chance,
                   int64_t now_us, int64_t *ret_due_us);

#endif
