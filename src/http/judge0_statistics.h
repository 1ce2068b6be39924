/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge0_statistics.h - figures over the whole history, counted now and then.
 *
 * Threads: any.
 */
#ifndef EVALX_HTTP_JUDGE0_STATISTICS_H
#define EVALX_HTTP_JUDGE0_STATISTICS_H

#include "http/request.h"

struct statistics; /* what was counted last */

struct statistics *statistics_new(void);
/* Accepts NULL. */
void statistics_free(struct statistics *s);

/* The handler of /statistics. */
void statistics_show(struct request *r);

#endif
