/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - the events of one submission on their way to one reader.
 *
 *   bus       hear(): tests are put into a bounded buffer, all else is a mark; the reader is woken
 *   reader    stream_read(): marks first, then what is buffered, then the record's rest once it is
 *             final; nothing left: it is parked until the next nudge or heartbeat
 *
 * Nudges may be lost, and tests are left out when the buffer is full: whatever was not sent by the
 * end is sent from the record. Should even the last nudge be lost (its sender died), the record is
 * looked at with every fourth heartbeat.
 *
 * Form     text/event-stream: https://html.spec.whatwg.org/multipage/server-sent-events.html
 * Threads  one reader at a time; events come from any.
 */
#ifndef EVALX_HTTP_STREAM_H
#define EVALX_HTTP_STREAM_H

#include <sys/types.h>

#include "http/wait.h"

struct stream;

/* All streams of a server, counted. */
struct streams {
    _Atomic int open;
    int most;
};

enum {
    STREAM_BUFFER_BYTES = 128 * 1024, /* of tests that nobody took yet, per stream */
    STREAM_BEAT_S = 15,
    STREAM_RETRY_MS = 2000,
};

/*
 * Begin one.
 *
 * last_id  Last-Event-ID of the reader, or NULL; one that is not ours says nothing
 * ret      GOT_NONE: unknown submission
 * errors   LIMIT too many streams; UNAVAILABLE
 */
MUST_USE enum got stream_open(struct streams *all, struct service *s, const char *id,
                              const char *last_id, struct stream **ret, struct err *e);

/* The reader had everything when it came: there is no event to send. */
bool stream_had_all(const struct stream *s);

/*
 * The next bytes, at most size of them. May read the store.
 *
 * now_us  monotonic
 * ret     0: nothing now, to be parked; -1: the end
 */
MUST_USE ssize_t stream_read(struct stream *s, struct waits *ws, int64_t now_us, char *to,
                             size_t size);

/* After stream_read() gave 0: wake(arg) is called once, as soon as reading gives more. */
void stream_park(struct stream *s, struct waits *ws, void (*wake)(void *arg), void *arg);

/* Not from inside wake. Accepts NULL. */
void stream_free(struct stream *s);

#endif
