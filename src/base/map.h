/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.h - from a text to a pointer.
 *
 * Keys are borrowed: they live inside what they lead to, or longer than their place in the map. A
 * zeroed struct is a valid empty map. Lookups stay fast for keys that clients choose: the hash is
 * seeded at random. Grows and shrinks with its contents; running out of memory aborts.
 *
 * Threads: one at a time.
 */
#ifndef EVALX_BASE_MAP_H
#define EVALX_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct map {
    struct map_slot *slots; /* open addressing, capacity is a power of two */
    size_t count, capacity;
    uint64_t seed;
};

/* Frees the map alone, not what it leads to. */
void map_done(struct map *m);
CLEANUP_FOR_STRUCT(struct map, map_done)

/* NULL when the key is not there. */
void *map_get(const struct map *m, const char *key);

/* Put value (never NULL) under key; both take the place of what was there. Returns the old value.
 */
void *map_put(struct map *m, const char *key, void *value);

/* Take the key out; returns what it led to, or NULL. */
void *map_take(struct map *m, const char *key);

/* Walk in no particular order: start with *at = 0; NULL at the end. No put or take meanwhile. */
void *map_next(const struct map *m, size_t *at);

#endif
