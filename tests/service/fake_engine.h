/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_engine.h - an engine without lanes, told by the test what becomes of each job.
 *
 * Linked in place of src/engine, so that the service's answers to trouble can be tried without
 * making real trouble. What the engine really does is tested on the real one.
 */
#ifndef EVALX_TESTS_FAKE_ENGINE_H
#define EVALX_TESTS_FAKE_ENGINE_H

#include "engine/engine.h"

enum fake_answer {
    FAKE_ACCEPTED,
    FAKE_TROUBLE, /* finished(NULL, err): trouble of ours */
    FAKE_HANG,    /* runs until cancelled or stopped */
};

struct engine *fake_engine_new(void);
void fake_engine_free(struct engine *en);

/* The next jobs get these answers, in order; the last one goes on for ever. */
void fake_engine_script(struct engine *en, const enum fake_answer *answers, size_t count);

/* Called when a job is handed over, before the engine knows it. */
void fake_engine_before_submit(struct engine *en, void (*fn)(void *arg, const char *id), void *arg);

/* Wait until so many jobs have been handed over in all. False after five seconds. */
bool fake_engine_wait_submitted(struct engine *en, int count);

#endif
