/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_cache.h - whole results of equal work, for jobs that asked for it ("cache": "result").
 *
 * Equal means: sources, language and toolchain, options, tests, checker, limits and environment are
 * the same, and the run has no network. Kept are results that say something about the program and
 * would come out again: a limit that was reached, a signal, trouble of ours are tried afresh. In
 * this process's memory, the least recently used go first, and with Redis in the cache all share.
 *
 * Threads: any.
 */
#ifndef EVALX_SERVICE_RESULT_CACHE_H
#define EVALX_SERVICE_RESULT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "job/job.h"
#include "job/result.h"

struct blobs;
struct result_cache;

/* shared: borrowed, or NULL */
struct result_cache *result_cache_new(int64_t bytes_max, struct blobs *shared);
void result_cache_free(struct result_cache *c);
CLEANUP_FOR(struct result_cache *, result_cache_free)

/* The result of equal work, marked reused, for the caller to own; NULL: none, or not asked for. May
 * ask Redis, which takes a round trip. toolchain: the language's version, or NULL */
MUST_USE struct result *result_cache_get(struct result_cache *c, const struct job *job,
                                         const char *toolchain);

/* Keep a result, when the job asked for it and it is one to keep. */
void result_cache_put(struct result_cache *c, const struct job *job, const char *toolchain,
                      const struct result *result);

struct result_cache_stats {
    int64_t hits, misses, bytes, count; /* bytes, count: in this process's memory */
};
void result_cache_stats(struct result_cache *c, struct result_cache_stats *ret);

#endif
