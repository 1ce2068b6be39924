/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus.h - a nudge for those who wait: "something about this submission changed, look again".
 *
 * A nudge may be lost or come twice; whoever gets it reads the store. Lost ones cost time, never
 * truth: waiters also look when their own deadline comes.
 * Backends  bus_local.c inside one process, redis/bus_redis.c between many.
 * Threads   any, for every call.
 */
#ifndef EVALX_BUS_BUS_H
#define EVALX_BUS_BUS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

enum bus_event {
    BUS_FINISHED, /* the record is final */
    BUS_CHANGED,  /* it began to run (data: the attempt), or was queued again (no data) */
    BUS_TEST, /* a test is over; data: "ATTEMPT INDEX JSON", its result as the native face has it */
    BUS_CANCEL, /* somebody asks the worker that has it to end it */
    BUS_AGAIN,  /* to every watch: nudges may have been lost, look at the record again */
};

struct bus;
struct bus_watch;

/* Called from any thread, possibly inside bus_announce(); must not block nor call into the bus.
 * id: of the event; the watch's own (or "") with BUS_AGAIN. data: borrowed, may be empty. */
typedef void (*bus_fn)(void *arg, const char *id, enum bus_event event, struct str data);

struct bus_ops {
    const char *scheme;
    /* Returns at once. data: at most 64 KiB, else it is sent without. */
    void (*announce)(struct bus *b, const char *id, enum bus_event event, struct str data);
    /* id NULL: every id. */
    struct bus_watch *(*watch)(struct bus *b, const char *id, bus_fn fn, void *arg);
    /* After it returns fn is not called any more. Not from inside fn. */
    void (*unwatch)(struct bus *b, struct bus_watch *w);
    void (*close)(struct bus *b);
};

struct bus {
    const struct bus_ops *ops;
};

static inline void bus_announce(struct bus *b, const char *id, enum bus_event event)
{
    b->ops->announce(b, id, event, (struct str){ 0 });
}

static inline void bus_announce_data(struct bus *b, const char *id, enum bus_event event,
                                     struct str data)
{
    b->ops->announce(b, id, event, data);
}

MUST_USE static inline struct bus_watch *bus_watch(struct bus *b, const char *id, bus_fn fn,
                                                   void *arg)
{
    return b->ops->watch(b, id, fn, arg);
}

/* Accepts a NULL watch. */
static inline void bus_unwatch(struct bus *b, struct bus_watch *w)
{
    if (w)
        b->ops->unwatch(b, w);
}

/* Accepts NULL. */
static inline void bus_close(struct bus *b)
{
    if (b)
        b->ops->close(b);
}
CLEANUP_FOR(struct bus *, bus_close)

struct bus *bus_local_open(void);

#endif
