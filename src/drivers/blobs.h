/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blobs.h - bytes under a key, shared by every server through Redis: a cache, compressed (zstd) and
 * bounded. May lose anything at any time; trouble is a miss, never an error.
 *
 * Layout   {PREFIX:blob:KIND:N}:b:KEY the bytes, in up to 16 shards N, each in one slot of a
 *          cluster; beside them an index by last use with sizes, from which a script evicts the
 *          least recently used until the shard's part of the bound holds again. Processes that
 *          share a cache should have the same bounds.
 * Away     nothing waits for Redis longer than a second, and most calls not at all.
 * Claims   equal builds at one time run once: the first one claims the key, the others wait for its
 *          blob, at most until the claim runs out (its owner died) and is taken over.
 * Threads  any, for every call.
 */
#ifndef EVALX_DRIVERS_BLOBS_H
#define EVALX_DRIVERS_BLOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"

struct redis;
struct blobs;

struct blobs_config {
    const char *prefix; /* of every key: "evalx" */
    const char *kind;   /* "artifact", "result" */
    int64_t bytes_max;  /* compressed, all together */
    int64_t blob_max;   /* one, compressed: larger ones are not kept */
    int64_t ttl_us;     /* unused for that long: gone; 0: only the bound counts */
};

/* r is borrowed and must outlive it. */
struct blobs *blobs_open(struct redis *r, const struct blobs_config *config);
void blobs_close(struct blobs *b);
CLEANUP_FOR(struct blobs *, blobs_close)

/* Append the bytes; false: not there (or out of reach, or damaged). Checked by a checksum. */
MUST_USE bool blobs_get(struct blobs *b, const char *key, struct buf *out);

/* Keep the bytes; does not wait for Redis. Ends a claim of this process on key. */
void blobs_put(struct blobs *b, const char *key, struct str bytes);

enum blobs_claim {
    BLOBS_MINE,  /* make it, then blobs_put() or blobs_release() */
    BLOBS_THERE, /* somebody made it meanwhile: blobs_get() */
    BLOBS_ALONE, /* Redis does not answer, or wait_us is over: make it without a claim */
};
/*
 * Claim a key, waiting for whoever has it (woken by pub/sub, not by polling).
 * hold_us  a claim not ended by then is free again; blobs renews it while this process lives
 */
MUST_USE enum blobs_claim blobs_claim(struct blobs *b, const char *key, int64_t hold_us,
                                      int64_t wait_us);
void blobs_release(struct blobs *b, const char *key);

struct blobs_stats {
    int64_t hits, misses, puts, damaged; /* of this process */
    int64_t bytes, count;                /* of all; -1 when Redis does not answer */
};
void blobs_stats(struct blobs *b, struct blobs_stats *ret);

#endif
