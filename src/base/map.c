/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing. Taking a key out moves the ones behind it forward (no
 * tombstones), so a map that is filled and emptied for months stays as fast as a new one.
 */
#include "base/map.h"

#include <string.h>

#include "base/hash.h"

struct map_slot {
    const char *key; /* NULL: free */
    void *value;
};

enum { LEAST_CAPACITY = 16 };

void map_done(struct map *m)
{
    free(m->slots);
    *m = (struct map){ 0 };
}

/* Eight bytes at a time, each multiplied through; the seed keeps clients from choosing collisions.
 */
static uint64_t hash_of(const struct map *m, const char *key)
{
    uint64_t h = m->seed;
    size_t len = strlen(key);
    for (; len >= 8; key += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, key, sizeof word);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    uint64_t tail = 0;
    memcpy(&tail, key, len);
    h = (h ^ tail ^ (uint64_t)len << 56) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ h >> 32;
}

/* The key's slot, or the free one where it belongs. There is always a free one. */
static size_t find(const struct map *m, const char *key)
{
    size_t mask = m->capacity - 1;
    size_t at = hash_of(m, key) & mask;
    while (m->slots[at].key && strcmp(m->slots[at].key, key) != 0)
        at = (at + 1) & mask;
    return at;
}

static void resize(struct map *m, size_t capacity)
{
    struct map old = *m;
    CHECK(!old.slots == !old.capacity);
    if (!old.slots)
        random_bytes(&m->seed, sizeof m->seed);
    m->slots = calloc(capacity, sizeof *m->slots);
    CHECK(m->slots);
    m->capacity = capacity;

    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].key)
            m->slots[find(m, old.slots[i].key)] = old.slots[i];
    free(old.slots);
}

void *map_get(const struct map *m, const char *key)
{
    return m->count ? m->slots[find(m, key)].value : NULL;
}

void *map_put(struct map *m, const char *key, void *value)
{
    CHECK(value);
    if ((m->count + 1) * 4 > m->capacity * 3)
        resize(m, MAX(m->capacity * 2, (size_t)LEAST_CAPACITY));

    struct map_slot *slot = &m->slots[find(m, key)];
    void *old = slot->value;
    if (!slot->key)
        m->count++;
    *slot = (struct map_slot){ key, value };
    return old;
}

/* Free a slot, moving forward whoever stands behind it only because it was taken. */
static void close_gap(struct map *m, size_t gap)
{
    size_t mask = m->capacity - 1;
    for (size_t at = (gap + 1) & mask; m->slots[at].key; at = (at + 1) & mask) {
        size_t home = hash_of(m, m->slots[at].key) & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            m->slots[gap] = m->slots[at];
            gap = at;
        }
    }
    m->slots[gap] = (struct map_slot){ 0 };
}

void *map_take(struct map *m, const char *key)
{
    if (!m->count)
        return NULL;
    size_t at = find(m, key);
    void *value = m->slots[at].value;
    if (!value)
        return NULL;

    close_gap(m, at);
    m->count--;
    if (m->capacity > LEAST_CAPACITY && m->count * 8 < m->capacity)
        resize(m, m->capacity / 2);
    return value;
}

void *map_next(const struct map *m, size_t *at)
{
    while (*at < m->capacity) {
        void *value = m->slots[(*at)++].value;
        if (value)
            return value;
    }
    return NULL;
}
