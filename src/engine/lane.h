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
 * Who computes (schedule.c)
 *   Each lane belongs to a core, and a core has room for so many lanes that compute, mostly one.
 * Tasks go to idle lanes of cores with room, the first first; a lane is told by its condition
 * variable. A lane whose program waits does not count, so that another one of its core may take a
 * task; when all are taken, one more is opened. A program that wakes up computes at once, be the
 * core taken or not: it is never held up, only nothing new starts there until there is room again.
 *
 * Memory (admit.c)
 *   A run is admitted when its limit fits beside those of the other runs, else its lane stands in
 * line. The first in line that does not fit stops all behind it and all new tasks, so nothing
 * starves. A run larger than all there is runs when no other does.
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
    size_t told;  /* stop_on_failure: tests before this one were told, in order */
    int64_t kept; /* bytes of outputs and files in the result */
};

struct task {
    struct active *active;
    bool begin; /* get its program, then test 0; else run test */
    size_t test;
};

enum lane_state {
    LANE_CLOSED,    /* has no box yet; in core.closed */
    LANE_OPENING,   /* is building it */
    LANE_IDLE,      /* in core.idle */
    LANE_COMPUTING, /* has a task */
    LANE_LENDING,   /* has a task too, but the program waits, or waits for memory to start */
};

SLIST_HEAD(lane_stack, lane);
TAILQ_HEAD(lane_line, lane);

/* Guarded by engine.lock. */
struct core {
    int capacity;  /* lanes that may compute at one time */
    int computing; /* may be more: of those that waited several may wake up */
    int running;   /* boxes with a run in them */
    int opening, idle_count, closed_count;
    int alone; /* lanes that run, or want to run, without neighbours */
    struct lane_stack idle, closed;
    int64_t crowded_us, crowded_since_us; /* time with more than capacity computing; 0: not now */
};

struct lane {
    struct engine *en;
    struct core *core;
    int index;
    int number; /* of the box, which decides the core it is pinned to */
    struct box *box;
    pthread_t thread;
    pthread_cond_t go; /* a task, memory, the word to open, or the end */

    /* Guarded by engine.lock. */
    enum lane_state state;
    SLIST_ENTRY(lane) rest; /* core.idle or core.closed */
    TAILQ_ENTRY(lane) line; /* engine.memory_line */
    struct task task;
    bool has_task, in_line;
    bool alone;            /* the run must have the core for itself */
    bool whole;            /* a build that needs all the memory of its limit */
    int64_t memory_bytes;  /* of the run, or wanted for it */
    int64_t busy_at_us;    /* when it began to compute */
    int64_t crowded_at_us; /* core.crowded_us when it began to compute */
    int64_t crowded_us;    /* time the run computed on a crowded core */
    struct active *active; /* what box_run() is busy with, or will be, else NULL */
    size_t test;
    int64_t rebuilds;
};

struct engine {
    struct engine_config config;
    struct keeper *keeper;
    const struct catalogue *catalogue;
    struct cache *cache;
    struct lane *lanes; /* all that may ever be; those opened at once come first */
    struct core *cores;
    int lane_count; /* those opened at once: so many may compute */
    int lanes_max, core_count;
    int64_t memory_total_bytes;
    pthread_t nudger;
    bool nudger_started;

    pthread_mutex_t lock;  /* guards all below */
    pthread_cond_t room;   /* a task would start now, or stopping */
    pthread_cond_t opened; /* one of the first lanes was opened, or could not be */
    pthread_cond_t nudge;  /* something is to be broken off, or nudge_ends */
    struct active_list all, fresh, begun;
    int64_t waiting; /* tasks nobody has taken */
    int64_t parked;  /* jobs that wait for an equal one's build */
    int lanes_started, lanes_opened;
    int next_core;         /* where to look first: take turns */
    int64_t open_again_us; /* a further lane could not be opened: not before then */
    struct lane_line memory_line;
    bool hungry;          /* memory is short: the first in line does not fit */
    int64_t memory_bytes; /* promised to runs */
    int64_t build_bytes;  /* what builds used lately */
    bool stopping, nudge_ends;
    struct err open_error; /* the first lane that could not be opened */
    struct engine_stats stats;
};

/* ---- lane.c ---- */

/* The thread of a lane; arg is the struct lane. */
void *lane_main(void *arg);

/* ---- schedule.c; all with the lock ---- */

/* Give what waits (lanes in line, tasks) to whoever may compute now. After every change. */
void engine_schedule(struct engine *en);

/* How many tasks would start at once. */
int64_t engine_places(const struct engine *en);

/* How many jobs may come; 0 or less: none. */
int64_t engine_room(const struct engine *en);

/* Every lane looks up from waiting. */
void engine_wake_all(struct engine *en);

void lane_state_set(struct lane *l, enum lane_state state);

/* Time the core of a lane was crowded, up to now. */
int64_t core_crowded_us(const struct core *c);

/* ---- admit.c ---- */

/* Does a run of l->memory_bytes fit in memory now? With the lock. */
bool memory_fits(const struct lane *l);

/* Count the run in, its turn has come. With the lock. */
void lane_admit(struct lane *l);

/*
 * Run a plan for a job in this lane's box, again on a fresh box after trouble of ours.
 *
 * test   which test it is for; SIZE_MAX: the build
 * ret    GOT_NONE: not run or broken off, nobody wants its outcome any more
 */
MUST_USE enum got lane_run(struct lane *l, struct active *a, size_t test, const struct plan *plan,
                           struct report *report, struct err *e);

/* Put a job in line; first: before the others. engine_schedule() is left to the caller, who may
 * have more of them. With the lock. */
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

/* ---- shared.c: builds of other machines ---- */

enum { SHARED_KEY = HASH_TEXT + 128 };

/*
 * The build of a->key that another machine made, waiting for one under way; or NULL: make it.
 * claimed  the others wait for it: shared_put() must follow, whatever happens
 */
struct artifact *shared_get(struct lane *l, const struct active *a, bool *claimed);
/* Offer it to the others, or (made NULL) let them try themselves. */
void shared_put(struct engine *en, const char *key, const struct artifact *made);

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
