/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.h - a request that waits for the end of a job, holding no thread.
 *
 * A wait begins as a watch, before the job is accepted. When its request has nothing more to do it
 * is parked: from then on the job's end, its deadline or the server's stop wakes it, exactly once.
 * An end that came before it was parked is remembered. One thread holds all deadlines in a heap and
 * sleeps until the nearest.
 *
 * A client that goes away while it waits is not noticed: a closed peer looks like one that closed
 * only its sending side, which is allowed. The wait ends by itself, by its deadline at the latest.
 *
 * Threads: each function says.
 */
#ifndef EVALX_HTTP_WAIT_H
#define EVALX_HTTP_WAIT_H

#include "service/service.h"

struct waits; /* the deadlines of one server, and their thread */
struct wait;

MUST_USE struct waits *waits_start(struct err *e);

/* Wake everybody, now and from now on at once. Any thread. */
void waits_release(struct waits *ws);

/* Nobody may be parked any more. Accepts NULL. */
void waits_stop(struct waits *ws);

/* Watch a job. id NULL: none, only wait_wake() and the deadline wake it. Any thread. */
struct wait *wait_new(struct service *s, const char *id);

/*
 * Park: wake(arg) is called once, from any thread, also from inside this call.
 *
 * until_us  monotonic
 */
void wait_park(struct wait *w, struct waits *ws, int64_t until_us, void (*wake)(void *arg),
               void *arg);

/* Wake it as an end does: at once, or when it is parked. Any thread, also one in the bus. */
void wait_wake(struct wait *w);

/* To be parked once more: what woke it so far is forgotten. The thread that parks it, after it was
 * woken. */
void wait_again(struct wait *w);

/* Whether waits_release() was called: parking makes no sense any more. Any thread. */
bool waits_released(struct waits *ws);

/* Number of waits parked. Any thread. */
size_t waits_parked(struct waits *ws);

/* Take everything back; wake is not called any more after it returns. Not from inside wake.
 * Accepts NULL. */
void wait_free(struct wait *w);

#endif
