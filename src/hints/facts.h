/* SPDX-License-Identifier: Apache-2.0 */
/* facts.h - what is known of a job that failed, as patterns ask for it. Internal to hints/. */
#ifndef EVALX_HINTS_FACTS_H
#define EVALX_HINTS_FACTS_H

#include "hints/book.h"
#include "hints/difference.h"

struct facts {
    enum phase phase;
    const struct outcome *outcome; /* of the build, or of the first test that failed */
    enum verdict verdict;          /* of the whole */
    const char *test;              /* id of that test; NULL: the build */
    bool idle;                     /* it computed little of the time it ran */
    struct difference_found difference;
    struct str texts[TEXT_COUNT]; /* bounded */
    size_t source_lines;
};

/* False: this result has nothing to hint at. */
bool facts_gather(const struct job *job, const struct result *result, struct facts *ret);

/* Do the conditions of a pattern that need no expression hold? */
bool facts_fit(const struct facts *f, const struct pattern *p);

#endif
