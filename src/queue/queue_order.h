/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue_order.h - the order of one process's queue, in memory: what is ready, what waits for its
 * time, what is leased. Used by queue_line.c alone, which adds the lock and the waiting.
 *
 * Every entry stands in exactly one heap: ready ones by the order they came (one heap for each
 * priority), delayed ones by when they are due, leased ones by when the lease runs out. Finding one
 * by its id is one look into a map, everything else is O(log n); an entry takes about 150 bytes.
 * Who comes back (lease ran out, given back) keeps its old place in line, ahead of later ones.
 *
 * Threads: one at a time. Time comes in as an argument.
 */
#ifndef EVALX_QUEUE_ORDER_H
#define EVALX_QUEUE_ORDER_H

#include "base/map.h"
#include "queue/queue.h"

enum place {
    PLACE_READY, /* + priority */
    PLACE_DELAYED = PLACE_READY + QUEUE_PRIORITIES,
    PLACE_LEASED,
    PLACE_COUNT,
};

struct entry {
    int64_t seq;       /* place in line, and the key of its row */
    int64_t key;       /* what its heap is ordered by: seq, or a time */
    int64_t pushed_us; /* wall clock */
    uint64_t lease;    /* number of its last lease; 0: never leased */
    uint32_t at;       /* index in its heap */
    int attempts;
    unsigned char priority, place;
    bool restored; /* an earlier process left it */
    char id[TOKEN_TEXT];
};

struct heap {
    struct entry **entries;
    uint32_t count, capacity;
};

struct order {
    struct map ids; /* id -> struct entry */
    struct heap heaps[PLACE_COUNT];
    int credit[QUEUE_PRIORITIES]; /* of the smooth weighted round robin */
    int64_t last_seq;
    uint64_t last_lease;
    int64_t expiries;
};

void order_done(struct order *o); /* a zeroed struct is a valid empty order */

struct entry *order_find(const struct order *o, const char *id);

/* A new entry, ready at due_us (a time not after now: at once). The id must not be there. */
struct entry *order_add(struct order *o, const char *id, int priority, int64_t pushed_us,
                        int64_t now_us, int64_t due_us);

/* Let time pass: what is due becomes ready, leases that ran out end. */
void order_advance(struct order *o, int64_t now_us);

/* When something happens next without anybody asking; INT64_MAX: never. */
int64_t order_next_us(const struct order *o);

/* Lease the next ready entry; NULL: none is ready. */
struct entry *order_lease(struct order *o, int64_t until_us);

void order_extend(struct order *o, struct entry *x, int64_t until_us);
void order_unlease(struct order *o, struct entry *x, int64_t now_us, int64_t due_us);
void order_remove(struct order *o, struct entry *x);

void order_stats(const struct order *o, struct queue_stats *ret);

#endif
