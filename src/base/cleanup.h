/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup.h - what a variable owns ends with its scope.
 *
 *   CLEANUP_FOR(struct queue *, queue_close)         stands right below queue_close()
 *   CLEANUP(queue_close) struct queue *q = ...;      closed on every return
 *   return TAKE(q);                                  ownership leaves, nothing is closed
 *
 * A function uses this or a forward goto, never both. A variable must be initialised where it is
 * declared. A forked child leaves by _exit() only, so nothing here runs twice.
 */
#ifndef EVALX_BASE_CLEANUP_H
#define EVALX_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#include "base/attr.h"

#define CLEANUP(fn) __attribute__((cleanup(cleanup_##fn)))

/* For owners that are pointers or plain values: fn takes the value. */
#define CLEANUP_FOR(type, fn)                                                                      \
    UNUSED static inline void cleanup_##fn(type *p)                                                \
    {                                                                                              \
        fn(*p);                                                                                    \
    }

/* For structs the caller holds: fn takes the address. */
#define CLEANUP_FOR_STRUCT(type, fn)                                                               \
    UNUSED static inline void cleanup_##fn(type *p)                                                \
    {                                                                                              \
        fn(p);                                                                                     \
    }

/* Ownership leaves here; the variable becomes NULL. */
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/* The same for a file descriptor; the variable becomes -1. */
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

CLEANUP_FOR(void *, free)

/* close() that accepts -1 and keeps errno. */
void fd_close(int fd);
CLEANUP_FOR(int, fd_close)

#endif
