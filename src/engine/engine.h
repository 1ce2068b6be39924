/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - job in, result out. Knows no queue, no store and no network.
 *
 * The engine owns the lanes, one thread each. A lane executes two kinds of task: *begin* (take the
 * artifact from the cache or build it) and *run test k*; tests of jobs already begun go before new
 * jobs, so a batch of 20 tests uses every idle lane and a single one goes straight through on one.
 * A program that waits (sleep, input) lends its core: another lane, opened when first needed, may
 * compute there meanwhile. The memory limits of the boxes that run stay below the machine's memory.
 * Concurrent equal builds share one run. A run that fails for reasons of ours is repeated on a
 * fresh lane, then the job fails with an err, which is not a verdict.
 */
#ifndef EVALX_ENGINE_ENGINE_H
#define EVALX_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "job/job.h"
#include "job/result.h"
#include "sandbox/box.h"

struct blobs;
struct engine;

struct engine_config {
    int lanes;                  /* that compute at one time; 0: one per core */
    int lanes_max;              /* with those that wait; 0: 8 per core; never below lanes */
    int64_t memory_bytes;       /* of running boxes together; 0: the machine's less a reserve */
    const char *cgroup_root;    /* whose limits hold for boxes as well; NULL: our own group's only */
    const char *cache_folder;   /* artifacts; created when missing; NULL: memory only */
    int64_t cache_bytes;        /* on disk at most; 0: 1 GiB */
    int64_t cache_memory_bytes; /* kept as sealed memory files at most; 0: 64 MiB */
    struct box_limits build;    /* limits of build steps */
    int64_t disk_bytes;         /* writable space of a run; 0: the lane's */
    int64_t collect_bytes;      /* files kept of one run (job.collect), together; 0: 4 MiB */
    int64_t result_bytes;       /* outputs and files kept of all tests of a job; 0: 64 MiB */
    struct blobs *shared;       /* builds of all machines; borrowed; NULL: none */
};

/*
 * What the engine tells its caller; called from lane threads, never two at once for one job. They
 * must not block for long.
 */
struct engine_sink {
    /* A test that counts is over; t stays valid until finished. With stop_on_failure in the order
     * of the tests; what is skipped or cancelled is seen in the result alone. May be NULL. */
    void (*test_done)(void *arg, const struct test_result *t, size_t index);
    /* Exactly once per submitted job. result is owned by the callee; NULL: trouble of ours, see e.
     * The job is not used any more after the call. */
    void (*finished)(void *arg, struct result *result, const struct err *e);
    void *arg;
};

/*
 * Open the lanes and start their threads.
 *
 * k, catalogue  borrowed, must outlive the engine
 * errors        SYSTEM a sandbox layer failed: which, and the fix
 */
MUST_USE struct engine *engine_start(const struct engine_config *config, struct keeper *k,
                                     const struct catalogue *catalogue, struct err *e);

/* Cancel what runs (each job still gets its finished call, with err UNAVAILABLE), close the lanes.
 */
void engine_stop(struct engine *en);
CLEANUP_FOR(struct engine *, engine_stop)

/* Hand over a job; returns at once. job is borrowed until sink.finished. Threads: any. */
void engine_submit(struct engine *en, const struct job *job, int attempt, struct engine_sink sink);

/*
 * Wait until a core has nothing to compute and no task waits, so that a job handed over now starts
 * now, on a lane that is idle or can be opened. Jobs that wait for the build of an equal one count
 * too when there are several for each lane: elsewhere they may find idle ones.
 *
 * ret      how many jobs would start now; 0: timed out or stopping
 */
int engine_wait_room(struct engine *en, int64_t wait_us);

/* The job with this id, if it is here, ends with verdict cancelled; does not wait for that.
 * Threads: any. */
void engine_cancel(struct engine *en, const char *id);

struct engine_stats {
    int lanes, lanes_busy; /* that may compute, that do */
    int lanes_max, lanes_open;
    int lanes_waiting; /* whose program sleeps or waits, or that wait for memory themselves */
    int64_t memory_bytes, memory_total_bytes; /* promised to running boxes; at most */
    int64_t jobs_running, runs, rebuilds;
    int64_t busy_us; /* time of all lanes spent computing, those that do now included */
    int64_t cache_hits, cache_misses, cache_bytes;
    int64_t shared_hits, shared_misses; /* of the misses: another machine had it, or nobody */
};
void engine_stats(struct engine *en, struct engine_stats *ret);

/* Forget every artifact kept (tests, and operators who replaced a compiler in place). */
void engine_cache_clear(struct engine *en);

#endif
