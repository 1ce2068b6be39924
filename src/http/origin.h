/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin.h - where a request comes from, as logs and traces name it.
 *
 * X-Request-Id is the client's (or its proxy's) name for the request: taken when it is 1 to 128
 * letters, digits or any of -_.:/+=@, else the id of our span stands for it. traceparent and
 * tracestate are taken as base/trace.h has them; without them a trace begins here. Every answer
 * says both: X-Request-Id, and traceresponse with the trace and the span of this request.
 *
 * Source   W3C Trace Context; traceresponse is of its Level 2 drafts
 * Threads  the request's
 */
#ifndef EVALX_HTTP_ORIGIN_H
#define EVALX_HTTP_ORIGIN_H

#include "http/request.h"
#include "job/job.h"

enum { REQUEST_ID_BYTES = 128 };

/* Fill r->id, r->trace, r->parent_span and r->tracestate from the headers. */
void origin_read(struct request *r);

/* What the answer says: texts of the arena. */
const char *origin_response(struct request *r);

/* The job asked for by this request belongs to its trace. */
void origin_mark(const struct request *r, struct job *job);

/* Whether a text may be a request's id. */
bool origin_id_valid(const char *text);

#endif
