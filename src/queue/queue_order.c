/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/queue_order.h"

#include <string.h>

static const int weights[QUEUE_PRIORITIES] = { 1, 4, 8 };

/* ---- heaps: the smallest key on top ---- */

static void heap_set(struct heap *h, uint32_t at, struct entry *x)
{
    h->entries[at] = x;
    x->at = at;
}

static void heap_up(struct heap *h, uint32_t at, struct entry *x)
{
    while (at > 0 && h->entries[(at - 1) / 2]->key > x->key) {
        heap_set(h, at, h->entries[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(h, at, x);
}

static void heap_down(struct heap *h, uint32_t at, struct entry *x)
{
    for (uint32_t child; (child = 2 * at + 1) < h->count; at = child) {
        if (child + 1 < h->count && h->entries[child + 1]->key < h->entries[child]->key)
            child++;
        if (h->entries[child]->key >= x->key)
            break;
        heap_set(h, at, h->entries[child]);
    }
    heap_set(h, at, x);
}

static void heap_resize(struct heap *h, uint32_t capacity)
{
    struct entry **entries = realloc(h->entries, capacity * sizeof *entries);
    CHECK(entries);
    h->entries = entries;
    h->capacity = capacity;
}

static void heap_add(struct heap *h, struct entry *x)
{
    if (h->count == h->capacity) {
        CHECK(h->capacity < UINT32_MAX / 2);
        heap_resize(h, MAX(h->capacity * 2, 16u));
    }
    heap_up(h, h->count++, x);
}

static void heap_take(struct heap *h, struct entry *x)
{
    uint32_t at = x->at;
    struct entry *last = h->entries[--h->count];
    if (last != x) {
        heap_down(h, at, last);
        if (last->at == at)
            heap_up(h, at, last);
    }
    if (h->capacity > 64 && h->count < h->capacity / 8)
        heap_resize(h, h->capacity / 2);
}

static struct entry *heap_top(const struct heap *h)
{
    return h->count ? h->entries[0] : NULL;
}

/* ---- places ---- */

static void enter(struct order *o, struct entry *x, int place, int64_t key)
{
    x->place = (unsigned char)place;
    x->key = key;
    heap_add(&o->heaps[place], x);
}

static void leave(struct order *o, struct entry *x)
{
    heap_take(&o->heaps[x->place], x);
}

static void line_up(struct order *o, struct entry *x, int64_t now_us, int64_t due_us)
{
    if (due_us > now_us)
        enter(o, x, PLACE_DELAYED, due_us);
    else
        enter(o, x, PLACE_READY + x->priority, x->seq);
}

void order_done(struct order *o)
{
    size_t at = 0;
    for (struct entry *x; (x = map_next(&o->ids, &at));)
        free(x);
    map_done(&o->ids);
    for (int i = 0; i < PLACE_COUNT; i++)
        free(o->heaps[i].entries);
    *o = (struct order){ 0 };
}

struct entry *order_find(const struct order *o, const char *id)
{
    return map_get(&o->ids, id);
}

struct entry *order_add(struct order *o, const char *id, int priority, int64_t pushed_us,
                        int64_t now_us, int64_t due_us)
{
    CHECK(priority >= 0 && priority < QUEUE_PRIORITIES && strlen(id) < TOKEN_TEXT);
    struct entry *x = calloc(1, sizeof *x);
    CHECK(x);
    x->seq = ++o->last_seq;
    x->pushed_us = pushed_us;
    x->priority = (unsigned char)priority;
    snprintf(x->id, sizeof x->id, "%s", id);
    CHECK(!map_put(&o->ids, x->id, x));
    line_up(o, x, now_us, due_us);
    return x;
}

void order_advance(struct order *o, int64_t now_us)
{
    struct entry *x;
    while ((x = heap_top(&o->heaps[PLACE_DELAYED])) && x->key <= now_us) {
        leave(o, x);
        line_up(o, x, now_us, now_us);
    }
    while ((x = heap_top(&o->heaps[PLACE_LEASED])) && x->key <= now_us) {
        leave(o, x);
        line_up(o, x, now_us, now_us);
        o->expiries++;
    }
}

int64_t order_next_us(const struct order *o)
{
    const struct entry *delayed = heap_top(&o->heaps[PLACE_DELAYED]);
    const struct entry *leased = heap_top(&o->heaps[PLACE_LEASED]);
    return MIN(delayed ? delayed->key : INT64_MAX, leased ? leased->key : INT64_MAX);
}

/*
 * Smooth weighted round robin, as nginx balances: each turn those who wait earn their weight, the
 * richest is served and pays what all earned. 8:4:1 holds in every 13 turns, spread evenly.
 */
static int choose(struct order *o)
{
    int best = -1, sum = 0;
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        if (!o->heaps[PLACE_READY + p].count) {
            o->credit[p] = 0;
            continue;
        }
        sum += weights[p];
        o->credit[p] += weights[p];
        if (best < 0 || o->credit[p] >= o->credit[best])
            best = p;
    }
    if (best >= 0)
        o->credit[best] -= sum;
    return best;
}

struct entry *order_lease(struct order *o, int64_t until_us)
{
    int priority = choose(o);
    if (priority < 0)
        return NULL;
    struct entry *x = heap_top(&o->heaps[PLACE_READY + priority]);
    leave(o, x);
    x->lease = ++o->last_lease;
    x->attempts++;
    enter(o, x, PLACE_LEASED, until_us);
    return x;
}

void order_extend(struct order *o, struct entry *x, int64_t until_us)
{
    leave(o, x);
    enter(o, x, PLACE_LEASED, until_us);
}

void order_unlease(struct order *o, struct entry *x, int64_t now_us, int64_t due_us)
{
    leave(o, x);
    line_up(o, x, now_us, due_us);
}

void order_remove(struct order *o, struct entry *x)
{
    leave(o, x);
    map_take(&o->ids, x->id);
    free(x);
}

/* Ready ones are ordered by when they came, so the tops suffice; of the delayed all are looked at.
 */
static int64_t oldest_us(const struct order *o)
{
    int64_t oldest = INT64_MAX;
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        const struct entry *x = heap_top(&o->heaps[PLACE_READY + p]);
        if (x)
            oldest = MIN(oldest, x->pushed_us);
    }
    const struct heap *delayed = &o->heaps[PLACE_DELAYED];
    for (uint32_t i = 0; i < delayed->count; i++)
        oldest = MIN(oldest, delayed->entries[i]->pushed_us);
    return oldest == INT64_MAX ? 0 : oldest;
}

void order_stats(const struct order *o, struct queue_stats *ret)
{
    *ret = (struct queue_stats){ .leased = o->heaps[PLACE_LEASED].count,
                                 .oldest_us = oldest_us(o),
                                 .lease_expiries = o->expiries };
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        ret->waiting[p] = o->heaps[PLACE_READY + p].count;
    const struct heap *delayed = &o->heaps[PLACE_DELAYED];
    for (uint32_t i = 0; i < delayed->count; i++)
        ret->waiting[delayed->entries[i]->priority]++;
}
