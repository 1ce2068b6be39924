/* SPDX-License-Identifier: Apache-2.0 */
/* submit.h - make a job from a few words, hand it over and wait for its result. */
#ifndef EVALX_TESTS_SUBMIT_H
#define EVALX_TESTS_SUBMIT_H

#include <pthread.h>

#include "engine/engine.h"

enum { TOLD_MAX = 64 };

struct submitted {
    struct job *job;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    int finished_calls;
    struct result *result; /* NULL: err */
    struct err err;
    size_t told[TOLD_MAX]; /* indexes of test_done, in the order told */
    int told_count;
    bool telling; /* inside test_done */
};

/* A job of one test without input or expectation. */
struct job *job_of(const char *language, const char *source);

/* Replace its tests by count ones with this input and expectation (NULL: none). */
void job_tests(struct job *job, size_t count, const char *input, const char *expected);

/* Takes the job over. */
struct submitted *submit(struct engine *en, struct job *job);

/* Wait until it is finished; the result stays the submitted's. */
struct result *submitted_wait(struct submitted *s);

/* Wait for it, and free it with its job and result. */
void submitted_free(struct submitted *s);
CLEANUP_FOR(struct submitted *, submitted_free)

#endif
