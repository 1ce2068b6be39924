/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure.h - what the service counts of submissions as it happens.
 *
 * Threads: any; counting takes no lock.
 */
#ifndef EVALX_SERVICE_MEASURE_H
#define EVALX_SERVICE_MEASURE_H

#include "service/service.h"

/* The families stand on the page from now on; those of runs only when there is an engine, those of
 * a model only when one is asked. */
void measure_service_start(const struct service_config *config, const struct catalogue *catalogue,
                           bool runs);

/* It waited so long for its first beginning. */
void measure_begun(int64_t waited_us);

/* Its result is kept, so long after it was accepted. language NULL: none of ours. */
void measure_finished(const struct language *language, enum verdict verdict, int64_t took_us);

enum retry {
    RETRY_LEASE_LOST, /* somebody else has it now */
    RETRY_TROUBLE,    /* ours, it is tried again */
    RETRY_DRAINING,   /* this process stops */
    RETRY_ELSEWHERE,  /* its language is run by other workers */
};
void measure_retry(enum retry why);

/* Hints were looked for, and so many found. */
void measure_hints(const struct language *language, size_t count, int64_t took_us);

/* A model was asked: a hint, nothing to say, or trouble. */
void measure_model(enum got got);

#endif
