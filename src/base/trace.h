/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - which request of which user a piece of work belongs to, across processes: the W3C
 * trace context.
 *
 *   traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *                version, trace id, span id of whoever sent it, flags
 *   tracestate:  vendor=opaque,other@system=opaque
 *
 * A request that brings none begins a trace of its own, which is not sampled: nobody asked for it
 * to be recorded. What is passed on has the same trace id, a span id of its own, and the tracestate
 * untouched. Of the flags only "sampled" is passed on.
 *
 * Source   https://www.w3.org/TR/trace-context/ (Level 1), sections 3.2, 3.3 and 4.3
 * Threads  any; no state
 */
#ifndef EVALX_BASE_TRACE_H
#define EVALX_BASE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    TRACE_ID_TEXT = 33,
    SPAN_ID_TEXT = 17,
    TRACEPARENT_TEXT = 56,
    TRACESTATE_BYTES = 512, /* passed on at most; what must be passed on at least, too */
    TRACESTATE_MEMBERS = 32,
    TRACE_SAMPLED = 1,
};

struct trace {
    char id[TRACE_ID_TEXT]; /* lower-case hexadecimal; "": no trace at all */
    char span[SPAN_ID_TEXT];
    uint8_t flags; /* 0 or TRACE_SAMPLED */
};

/*
 * Read a traceparent. Spaces and tabs around it are no part of it. A version later than ours is
 * read as far as it is ours, and passed on as ours.
 *
 * ret  set on success only; false: it is not one, a new trace is to be begun
 */
MUST_USE bool trace_read(struct str traceparent, struct trace *ret);

/* A trace of our own, not sampled. */
struct trace trace_new(void);

/* The same trace with a span id of its own; without a trace there is none. */
struct trace trace_child(const struct trace *parent);

/* "00-...": out holds TRACEPARENT_TEXT bytes; "" without a trace. */
void trace_text(const struct trace *t, char out[TRACEPARENT_TEXT]);

/*
 * Append one tracestate header to those read before (a request may have several, which together are
 * one list). Empty members are left out, of two with the same key the first one stays.
 *
 * state  empty before the first one
 * ret    false: it breaks the rules or there are more than TRACESTATE_MEMBERS; state is empty then,
 *        and no header that follows may be added
 */
MUST_USE bool tracestate_add(struct buf *state, struct str header);

/* Shorten a list to TRACESTATE_BYTES: members of more than 128 bytes go first, then the last. */
void tracestate_bound(struct buf *state);

#endif
