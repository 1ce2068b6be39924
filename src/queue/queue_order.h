/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue_order.h - the order of one process's queue, in memory: what is ready, what waits for its
 * time, what is leased, what is dead. Used by queue_line.c alone, which adds the lock and the
 * waiting.
 *
 * Every entry stands in exactly one heap: ready ones by the order they came (one heap for each
 * tenant inside a priority: its lane), delayed ones by when they are due, leased ones by when the
 * lease runs out, dead ones newest first. The lanes that have something ready stand in a ring and
 * take turns. Finding an entry by its id is one look into a map, everything else is O(log n); an
 * entry takes about 150 bytes. Who comes back (lease ran out, given back) keeps its old place in
 * its lane, ahead of later ones.
 *
 * Threads: one at a time. Time comes in as an argument.
 */
#ifndef EVALX_QUEUE_ORDER_H
#define EVALX_QUEUE_ORDER_H

#include "base/map.h"
#include "queue/queue.h"

enum place {
    PLACE_DELAYED,
    PLACE_LEASED,
    PLACE_DEAD,
    PLACE_READY, /* in the heap of its lane */
    PLACE_COUNT = PLACE_READY,
};

struct death {
    int64_t at_us; /* wall clock */
    char reason[]; /* why, as the worker said */
};

struct entry {
    int64_t seq;       /* place in line, and the key of its row */
    int64_t key;       /* what its heap is ordered by: seq, or a time */
    int64_t pushed_us; /* wall clock; of one pushed with a delay, when it is due */
    uint64_t lease;    /* number of its last lease; 0: never leased */
    struct lane *lane;
    struct death *death; /* owned; NULL: alive */
    uint32_t at;         /* index in its heap */
    int attempts;
    unsigned char place;
    bool restored; /* an earlier process left it */
    char id[TOKEN_TEXT];
};

struct heap {
    struct entry **entries;
    uint32_t count, capacity;
};

/* What one tenant has in one priority. Lives as long as it has an entry in any place. */
struct lane {
    int priority;
    uint32_t entries;           /* in all places */
    struct heap ready;          /* by seq */
    struct lane *before, *next; /* in the ring, while something is ready */
    char tenant[TENANT_TEXT];
};

/* One priority: who is next is at the front, who was served goes to the end. */
struct ring {
    struct lane *first, *last;
    struct map lanes; /* tenant -> struct lane, those without anything ready too */
    int64_t ready;    /* entries */
    int64_t delayed;  /* entries in the heap of delayed ones */
    int credit;       /* of the smooth weighted round robin */
};

struct order {
    struct map ids; /* id -> struct entry */
    struct heap heaps[PLACE_COUNT];
    struct ring rings[QUEUE_PRIORITIES];
    int64_t last_seq, last_death;
    uint64_t last_lease;
    int64_t expiries;
};

void order_done(struct order *o); /* a zeroed struct is a valid empty order */

struct entry *order_find(const struct order *o, const char *id);

/* A new entry, ready at due_us (a time not after now: at once). The id must not be there. */
struct entry *order_add(struct order *o, const struct queue_entry *new, int64_t pushed_us,
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

/* Dead from now on; died_us is wall clock. */
void order_bury(struct order *o, struct entry *x, const char *reason, int64_t died_us);
/* A dead one gets a new place, at the end of its lane, as if pushed now. */
void order_revive(struct order *o, struct entry *x, int64_t pushed_us);

void order_stats(const struct order *o, struct queue_stats *ret);

/*
 * The entries of one place in their order, from offset on, at most max of them. PLACED_WAITING are
 * in the order they will be offered while nothing is pushed. Returns how many.
 */
size_t order_list(const struct order *o, enum queue_place place, size_t offset, size_t max,
                  struct entry **ret);

#endif
