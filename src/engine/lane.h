/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane.h - inside the engine: its lanes, and the jobs they work on. Included by the engine alone.
 *
 * How it works
 *   A job handed over becomes an *active* in the list of fresh ones. An idle lane takes the first
 *   test of a job already begun, or else begins the first fresh job: it gets the artifact, then
 * runs test 0 itself; further tests go into the list of begun jobs, for whoever is idle. Whoever
 * ends the last task of a job sums it up and calls sink.finished.
 *
 *   A job whose build another lane is making right now is parked with that one and costs no lane;
 *   when the build is there, however it came out, the parked jobs are fresh again and bring it
 * along.
 *
 * Locks
 *   engine.lock guards the lists, the stages and the counters; nobody calls out or does I/O with
 * it, box_cancel() apart, which only sends a word. active.telling guards the result while several
 * lanes run tests of the job, and keeps test_done calls apart. telling is taken before lock, if
 * both.
 */
#ifndef EVALX_ENGINE_LANE_H
#define EVALX_ENGINE_LANE_H

#include <pthread.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "engine/artifact.h"
#include "engine/cache.h"
#include "engine/engine.h"

TAILQ_HEAD(active_list, active);

/* A job from engine_submit() to sink.finished. */
struct active {
    const struct job *job;
    struct engine_sink sink;
    int attempt;

    /* Of the lane that begins it; const once its tests are handed out. */
    const struct language *lang;
    struct artifact *artifact; /* NULL until there is one */
    struct artifact *extra;    /* files of the job beside a compiled artifact, or NULL */
    char key[HASH_TEXT];       /* "": not worked out */
    bool cached;
    int64_t begun_us, built_us; /* monotonic */

    /* Guarded by engine.lock. */
    TAILQ_ENTRY(active) all;   /* engine.all */
    TAILQ_ENTRY(active) line;  /* engine.fresh, engine.begun or parked of another active */
    struct active_list parked; /* wait for the build this one is making */
    struct active *in_parked;  /* the one whose build this one waits for, or NULL */
    bool building, in_fresh, in_begun;
    bool cancelled;
    struct err trouble;  /* kind ERR_NONE: none */
    size_t next_test;    /* the next to hand out */
    size_t out;          /* tests being run */
    size_t first_failed; /* stop_on_failure: tests behind it do not count; else SIZE_MAX */

    /* Guarded by telling. */
    pthread_mutex_t telling;
    struct result *result;
    size_t told; /* stop_on_failure: tests before this one were told, in order */
};

struct lane {
    struct engine *en;
    int index;
    struct box *box;
    pthread_t thread;

    /* Guarded by engine.lock. */
    struct active *active; /* what box_run() is busy with, else NULL */
    size_t test;
    int64_t rebuilds;
};

struct engine {
    struct engine_config config;
    struct keeper *keeper;
    const struct catalogue *catalogue;
    struct cache *cache;
    struct lane *lanes;
    int lane_count;
    pthread_t nudger;
    bool nudger_started;

    pthread_mutex_t lock;  /* guards all below */
    pthread_cond_t work;   /* a task waits, or stopping */
    pthread_cond_t room;   /* a lane is idle, or stopping */
    pthread_cond_t opened; /* a lane was opened, or could not be */
    pthread_cond_t nudge;  /* something is to be broken off, or nudge_ends */
    struct active_list all, fresh, begun;
    int64_t waiting; /* tasks nobody has taken */
    int lanes_started, lanes_opened, lanes_idle;
    bool stopping, nudge_ends;
    struct err open_error; /* the first lane that could not be opened */
    struct engine_stats stats;
};

/* ---- lane.c ---- */

/* The thread of a lane; arg is the struct lane. */
void *lane_main(void *arg);

/*
 * Run a plan for a job in this lane's box, again on a fresh box after trouble of ours.
 *
 * test   which test it is for; SIZE_MAX: the build
 * ret    GOT_NONE: not run or broken off, nobody wants its outcome any more
 */
MUST_USE enum got lane_run(struct lane *l, struct active *a, size_t test, const struct plan *plan,
                           struct report *report, struct err *e);

/* Put a job in line; first: before the others. With the lock. */
void active_line_up(struct engine *en, struct active *a, bool first);

/* No more of its tests are handed out. With the lock. */
void active_drop_waiting(struct engine *en, struct active *a);

/* ---- nudge.c ---- */

/* Is the outcome of this test, or of the build (SIZE_MAX), still wanted? With the lock. */
bool active_wanted(const struct active *a, size_t test);

/* Break off all that is run and not wanted; does not wait for it. With the lock. */
void engine_break_off(struct engine *en);

/* The thread that makes sure of it; arg is the engine. */
void *nudge_main(void *arg);

/* ---- build.c: what a job's programs start from ---- */

/*
 * Find or make a->artifact and a->extra.
 *
 * ret    GOT_NONE: parked (a is not the caller's any more) or given up, see parked
 * errors SYSTEM the box or a memory file failed; NOT_FOUND no such language here
 */
MUST_USE enum got build_get(struct lane *l, struct active *a, bool *parked, struct err *e);

/* ---- run.c ---- */

struct run_outcome {
    struct outcome outcome; /* texts in the arena given */
    bool rusage_only;
};

/* Run test k, as often as the job asks, and judge it. ret: GOT_NONE: broken off. */
MUST_USE enum got run_test(struct lane *l, struct active *a, size_t k, struct arena *arena,
                           struct run_outcome *ret, struct err *e);

#endif
