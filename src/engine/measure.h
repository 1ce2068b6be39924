/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure.h - what the engine counts as it happens; what it knows at any time is in engine_stats.
 *
 * Threads: any; counting takes no lock.
 */
#ifndef EVALX_ENGINE_MEASURE_H
#define EVALX_ENGINE_MEASURE_H

#include "job/result.h"
#include "lang/lang.h"
#include "sandbox/report.h"

/* The families stand on the page from now on. */
void measure_engine_start(void);

/* A run in a box ended; report NULL: for trouble of ours. */
void measure_run(const struct report *report);

/* A job ended; its phases are in the result, a build from a cache is none. */
void measure_phases(const struct language *lang, const struct result *result);

#endif
