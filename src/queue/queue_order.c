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

/* The first of a copy of a heap's array: the entries themselves are not told. */
static struct entry *copy_pop(struct heap *copy)
{
    struct entry *first = copy->entries[0], *x = copy->entries[--copy->count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < copy->count; at = child) {
        if (child + 1 < copy->count && copy->entries[child + 1]->key < copy->entries[child]->key)
            child++;
        if (copy->entries[child]->key >= x->key)
            break;
        copy->entries[at] = copy->entries[child];
    }
    copy->entries[at] = x;
    return first;
}

/* ---- lanes and their turns ---- */

static struct lane *lane_get(struct order *o, int priority, const char *tenant)
{
    struct map *lanes = &o->rings[priority].lanes;
    struct lane *lane = map_get(lanes, tenant);
    if (lane)
        return lane;
    lane = calloc(1, sizeof *lane);
    CHECK(lane);
    lane->priority = priority;
    snprintf(lane->tenant, sizeof lane->tenant, "%s", tenant);
    CHECK(!map_put(lanes, lane->tenant, lane));
    return lane;
}

static void lane_free(struct lane *lane)
{
    free(lane->ready.entries);
    free(lane);
}

static void ring_append(struct ring *r, struct lane *lane)
{
    lane->next = NULL;
    lane->before = r->last;
    *(r->last ? &r->last->next : &r->first) = lane;
    r->last = lane;
}

static void ring_take(struct ring *r, struct lane *lane)
{
    *(lane->before ? &lane->before->next : &r->first) = lane->next;
    *(lane->next ? &lane->next->before : &r->last) = lane->before;
}

/* ---- places ---- */

static struct heap *heap_of(struct order *o, struct entry *x)
{
    return x->place == PLACE_READY ? &x->lane->ready : &o->heaps[x->place];
}

static void enter(struct order *o, struct entry *x, int place, int64_t key)
{
    struct ring *r = &o->rings[x->lane->priority];
    x->place = (unsigned char)place;
    x->key = key;
    heap_add(heap_of(o, x), x);
    r->delayed += place == PLACE_DELAYED;
    if (place == PLACE_READY) {
        r->ready++;
        if (x->lane->ready.count == 1)
            ring_append(r, x->lane);
    }
}

static void leave(struct order *o, struct entry *x)
{
    struct ring *r = &o->rings[x->lane->priority];
    heap_take(heap_of(o, x), x);
    r->delayed -= x->place == PLACE_DELAYED;
    if (x->place == PLACE_READY) {
        r->ready--;
        if (x->lane->ready.count == 0)
            ring_take(r, x->lane);
    }
}

static void line_up(struct order *o, struct entry *x, int64_t now_us, int64_t due_us)
{
    if (due_us > now_us)
        enter(o, x, PLACE_DELAYED, due_us);
    else
        enter(o, x, PLACE_READY, x->seq);
}

static void entry_free(struct entry *x)
{
    free(x->death);
    free(x);
}

void order_done(struct order *o)
{
    size_t at = 0;
    for (struct entry *x; (x = map_next(&o->ids, &at));)
        entry_free(x);
    map_done(&o->ids);
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        at = 0;
        for (struct lane *lane; (lane = map_next(&o->rings[p].lanes, &at));)
            lane_free(lane);
        map_done(&o->rings[p].lanes);
    }
    for (int i = 0; i < PLACE_COUNT; i++)
        free(o->heaps[i].entries);
    *o = (struct order){ 0 };
}

struct entry *order_find(const struct order *o, const char *id)
{
    return map_get(&o->ids, id);
}

struct entry *order_add(struct order *o, const struct queue_entry *new, int64_t pushed_us,
                        int64_t now_us, int64_t due_us)
{
    CHECK(new->priority >= 0 && new->priority < QUEUE_PRIORITIES &&strlen(new->id) < TOKEN_TEXT);
    CHECK(!new->tenant || strlen(new->tenant) < TENANT_TEXT);
    struct entry *x = calloc(1, sizeof *x);
    CHECK(x);
    x->seq = ++o->last_seq;
    x->pushed_us = pushed_us;
    snprintf(x->id, sizeof x->id, "%s", new->id);
    CHECK(!map_put(&o->ids, x->id, x));
    x->lane = lane_get(o, new->priority, new->tenant ? new->tenant : "");
    x->lane->entries++;
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
static int choose(int credit[QUEUE_PRIORITIES], const int64_t ready[QUEUE_PRIORITIES])
{
    int best = -1, sum = 0;
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        if (!ready[p]) {
            credit[p] = 0;
            continue;
        }
        sum += weights[p];
        credit[p] += weights[p];
        if (best < 0 || credit[p] >= credit[best])
            best = p;
    }
    if (best >= 0)
        credit[best] -= sum;
    return best;
}

static int choose_ring(struct order *o)
{
    int credit[QUEUE_PRIORITIES];
    int64_t ready[QUEUE_PRIORITIES];
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        credit[p] = o->rings[p].credit;
        ready[p] = o->rings[p].ready;
    }
    int best = choose(credit, ready);
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        o->rings[p].credit = credit[p];
    return best;
}

struct entry *order_lease(struct order *o, int64_t until_us)
{
    int priority = choose_ring(o);
    if (priority < 0)
        return NULL;
    struct ring *r = &o->rings[priority];
    struct lane *lane = r->first;
    struct entry *x = heap_top(&lane->ready);
    leave(o, x);
    if (lane->ready.count) {
        ring_take(r, lane);
        ring_append(r, lane);
    }
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
    if (--x->lane->entries == 0) {
        map_take(&o->rings[x->lane->priority].lanes, x->lane->tenant);
        lane_free(x->lane);
    }
    entry_free(x);
}

/* ---- the dead ---- */

void order_bury(struct order *o, struct entry *x, const char *reason, int64_t died_us)
{
    leave(o, x);
    size_t len = strnlen(reason, REASON_TEXT - 1);
    x->death = malloc(sizeof *x->death + len + 1);
    CHECK(x->death);
    x->death->at_us = died_us;
    memcpy(x->death->reason, reason, len);
    x->death->reason[len] = '\0';
    enter(o, x, PLACE_DEAD, -++o->last_death);
}

void order_revive(struct order *o, struct entry *x, int64_t pushed_us)
{
    leave(o, x);
    free(TAKE(x->death));
    x->attempts = 0;
    x->pushed_us = pushed_us;
    x->seq = ++o->last_seq;
    enter(o, x, PLACE_READY, x->seq);
}

/* ---- looking ---- */

/* Ready ones are ordered by when they came, so the first of each lane suffices. */
static int64_t oldest_us(const struct order *o)
{
    int64_t oldest = INT64_MAX;
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        for (const struct lane *lane = o->rings[p].first; lane; lane = lane->next)
            oldest = MIN(oldest, heap_top(&lane->ready)->pushed_us);
    return oldest == INT64_MAX ? 0 : oldest;
}

void order_stats(const struct order *o, struct queue_stats *ret)
{
    *ret = (struct queue_stats){ .leased = o->heaps[PLACE_LEASED].count,
                                 .dead = o->heaps[PLACE_DEAD].count,
                                 .oldest_us = oldest_us(o),
                                 .lease_expiries = o->expiries };
    for (int p = 0; p < QUEUE_PRIORITIES; p++)
        ret->waiting[p] = o->rings[p].ready + o->rings[p].delayed;
}

static struct heap heap_copy(const struct heap *h)
{
    struct heap copy = { .entries = malloc((h->count + 1u) * sizeof *copy.entries),
                         .count = h->count };
    CHECK(copy.entries);
    if (h->count)
        memcpy(copy.entries, h->entries, h->count * sizeof *copy.entries);
    return copy;
}

static size_t list_heap(const struct heap *h, size_t offset, size_t max, struct entry **ret)
{
    size_t count = 0;
    struct heap copy = heap_copy(h);
    for (size_t i = 0; copy.count && count < max; i++) {
        struct entry *x = copy_pop(&copy);
        if (i >= offset)
            ret[count++] = x;
    }
    free(copy.entries);
    return count;
}

/* One priority as it will be served, played through on copies of its lanes. */
struct rehearsal {
    struct heap *lanes;
    size_t count, turn;
};

static struct rehearsal rehearse(const struct ring *r)
{
    struct rehearsal play = { 0 };
    for (const struct lane *lane = r->first; lane; lane = lane->next)
        play.count++;
    play.lanes = calloc(play.count + 1, sizeof *play.lanes);
    CHECK(play.lanes);
    size_t i = 0;
    for (const struct lane *lane = r->first; lane; lane = lane->next)
        play.lanes[i++] = heap_copy(&lane->ready);
    return play;
}

static struct entry *rehearse_next(struct rehearsal *play)
{
    CHECK(play->count > 0);
    while (!play->lanes[play->turn % play->count].count)
        play->turn++;
    return copy_pop(&play->lanes[play->turn++ % play->count]);
}

static size_t list_ready(const struct order *o, size_t offset, size_t max, struct entry **ret)
{
    struct rehearsal plays[QUEUE_PRIORITIES];
    int credit[QUEUE_PRIORITIES];
    int64_t ready[QUEUE_PRIORITIES];
    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        plays[p] = rehearse(&o->rings[p]);
        credit[p] = o->rings[p].credit;
        ready[p] = o->rings[p].ready;
    }

    size_t count = 0;
    for (size_t i = 0; count < max; i++) {
        int p = choose(credit, ready);
        if (p < 0)
            break;
        ready[p]--;
        struct entry *x = rehearse_next(&plays[p]);
        if (i >= offset)
            ret[count++] = x;
    }

    for (int p = 0; p < QUEUE_PRIORITIES; p++) {
        for (size_t i = 0; i < plays[p].count; i++)
            free(plays[p].lanes[i].entries);
        free(plays[p].lanes);
    }
    return count;
}

size_t order_list(const struct order *o, enum queue_place place, size_t offset, size_t max,
                  struct entry **ret)
{
    static const enum place heaps[] = {
        [PLACED_DELAYED] = PLACE_DELAYED, [PLACED_LEASED] = PLACE_LEASED, [PLACED_DEAD] = PLACE_DEAD
    };
    if (place == PLACED_WAITING)
        return list_ready(o, offset, max, ret);
    return list_heap(&o->heaps[heaps[place]], offset, max, ret);
}
