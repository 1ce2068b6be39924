/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure.h - what the sender counts of its attempts.
 *
 * Threads: any.
 */
#ifndef EVALX_WEBHOOK_MEASURE_H
#define EVALX_WEBHOOK_MEASURE_H

#include "store/delivery.h"

/* The families stand on the page from now on. */
void measure_sender_start(void);

/* An attempt left the delivery in this state, after so long. */
void measure_attempt(enum delivery_state state, int64_t took_us);

#endif
