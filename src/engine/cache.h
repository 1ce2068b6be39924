/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h - builds kept by content, in memory and on disk.
 *
 * Promise   what is found under a key is what was put there; a damaged file is a miss and removed.
 * Memory    artifacts as sealed memory files, the least recently used dropped first, bounded by
 *           bytes and by descriptors. Failed builds are kept here alone.
 * Disk      one file per artifact, FOLDER/ab/<key>, the least recently used removed first, bounded
 *           by bytes. The index is made by reading the folder at start; recency is the file's
 *           mtime, brought up to date at most once an hour.
 * Not here  which builds are under way: lane.c.
 *
 * A cache may lose anything at any time: trouble with its folder after cache_open() is a miss,
 * never an error.
 */
#ifndef EVALX_ENGINE_CACHE_H
#define EVALX_ENGINE_CACHE_H

#include "base/hash.h"
#include "engine/artifact.h"

struct cache;

struct cache_config {
    const char *folder; /* created when missing; NULL: memory only */
    int64_t disk_bytes, memory_bytes;
    int64_t memory_files; /* descriptors held at most */
};

/*
 * errors  SYSTEM the folder cannot be made or read
 */
MUST_USE struct cache *cache_open(const struct cache_config *config, struct err *e);
void cache_close(struct cache *c);
CLEANUP_FOR(struct cache *, cache_close)

/* The artifact under key with a reference for the caller, or NULL. Threads: any. */
MUST_USE struct artifact *cache_get(struct cache *c, const char *key);

/* Keep an artifact under key; the caller keeps its own reference. Threads: any. */
void cache_put(struct cache *c, const char *key, struct artifact *a);

/* Forget everything, on disk too. Threads: any. */
void cache_clear(struct cache *c);

struct cache_stats {
    int64_t memory_bytes, memory_files, disk_bytes;
    int64_t damaged; /* entries removed because they could not be read back */
};
void cache_stats(struct cache *c, struct cache_stats *ret);

#endif
