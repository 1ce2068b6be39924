/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure.h - what the server counts of requests and submissions, and what it asks for when
 * somebody reads /metrics. docs/metrics.md says what each family means.
 *
 * Threads: any.
 */
#ifndef EVALX_HTTP_MEASURE_H
#define EVALX_HTTP_MEASURE_H

#include "http/request.h"

/* ---- as it happens: measure.c ---- */

/* What can be known stands on the page from now on, with 0; submissions are not a worker's. */
void measure_start(bool worker);

/* A request has come, or is gone: +1, -1. */
void measure_in_flight(int64_t change);

/* The reply is ready. */
void measure_reply(const struct request *r);

/* What service_accept() said of one submission; e counts with GOT_FAILED alone. */
void measure_accept(struct request *r, enum got got, const struct err *e);

/* One submission was not even offered to the service. */
enum refusal {
    REFUSED_INVALID,
    REFUSED_QUEUE_FULL,
    REFUSED_UNAVAILABLE,
    REFUSED_TOO_LARGE,
    REFUSED_UNAUTHORIZED,
};
void measure_refused(struct request *r, enum refusal why);

/* ---- when it is asked for ---- */

/* The whole page, appended. Waits a moment for what lies elsewhere, and leaves out what does not
 * answer. */
void measure_page(const struct context *c, struct buf *out);

/* measure_process.c: what the kernel knows of this process. */
void measure_process(void);

#endif
