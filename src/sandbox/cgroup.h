/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - what everything in a box may use together, and what it used.
 *
 * Two sides. The keeper owns a *tree*: one folder of its own (per controller on v1), named after
 * its pid and start time below a common "evalx", and in it one folder per lane. A lane opens its
 * folder once, while it still is root, and works through those descriptors ever after.
 *
 * Backends  cgroup_v1.c one folder per controller, the spawner writes itself into them once;
 *           cgroup_v2.c one folder delegated to the lane, the spawner is born in a leaf of it;
 *           cgroup_none.c nothing: rlimits and rusage, only when the operator asks for it by name.
 * Threads   none; evalx-box is single-threaded.
 */
#ifndef EVALX_SANDBOX_CGROUP_H
#define EVALX_SANDBOX_CGROUP_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "sandbox/box.h"

enum cgroup_version {
    CGROUPS_NONE,
    CGROUPS_V1,
    CGROUPS_V2,
};

/* The last one may be missing. */
enum { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, CGROUP_CORES, CGROUP_CONTROLLERS };
enum { CGROUP_PATH = 300, CGROUP_NAME = 64 };

/* Where the keeper's folder is; v2 uses the first path only; "" where there is none. */
struct cgroup_tree {
    enum cgroup_version version;
    char path[CGROUP_CONTROLLERS][CGROUP_PATH];
};

/* The lane's side: descriptors and what was last written to them. */
struct cgroup {
    const struct cgroup_ops *ops;
    int folder;                    /* v2: the folder delegated to the lane */
    int leaf;                      /* v2: the one the spawner is born in */
    int leaf_no;                   /* v2: its number, the next one has the next */
    int procs[CGROUP_CONTROLLERS]; /* v1: cgroup.procs */
    int memory_limit, memory_swap, memory_usage, memory_peak, memory_events;
    int memory_empty; /* v1: memory.force_empty, v2: memory.reclaim */
    int pids_limit, pids_now;
    int cpu;
    int cores; /* cpuset.cpus; -1: no such controller */

    bool peak_resets;   /* v2: a write to memory.peak starts it anew (6.12) */
    int64_t memory_now; /* the limit a plan asked for last; 0: none yet */
    int64_t limit_now;  /* v1: what the limit files hold; 0: not known */
    int processes_now;
    bool begun;            /* counting started, nothing has run since */
    int64_t own_bytes;     /* what the idle spawner is charged with */
    int64_t base_bytes;    /* usage when the run began */
    int64_t peak_before;   /* v2 without reset: peak when the run began */
    int64_t cpu_before_us; /* counters when the run began */
    int64_t kills_before;
};

struct cgroup_ops {
    const char *name; /* "v1", "v2", "none" */

    /* keeper: is it usable here, and where may folders be made? Fills path. root: delegated to us,
     * or "". */
    bool (*find)(struct cgroup_tree *t, const char *root, struct err *e);
    /* keeper: the lane's folders, handed to owner where the backend delegates. */
    bool (*make)(const struct cgroup_tree *t, const char *lane, uid_t owner, struct err *e);
    /* keeper: kill what is still in there and remove them; false while something refuses. */
    bool (*remove)(const struct cgroup_tree *t, const char *lane);

    /* lane, still root: open everything. */
    bool (*open)(struct cgroup *g, const struct cgroup_tree *t, const char *lane, struct err *e);
    /* lane: fork() with CLONE_FILES; the child is, or can enter(), the cgroup. */
    pid_t (*fork)(struct cgroup *g);
    bool (*enter)(struct cgroup *g, struct err *e);
    /* lane: set limits; processes counts the spawner too. */
    bool (*limit)(struct cgroup *g, int64_t memory_bytes, int processes, struct err *e);
    /* lane: room for a spawner to start in, whatever the last plan's limits were. */
    bool (*roomy)(struct cgroup *g, struct err *e);
    /* lane: start counting for a run, unless that is done already. */
    bool (*begin)(struct cgroup *g, struct err *e);
    int64_t (*cpu_us)(const struct cgroup *g);                  /* since begin */
    int64_t (*peak)(const struct cgroup *g);                    /* above what was there at begin */
    int64_t (*oom_kills)(const struct cgroup *g, int64_t peak); /* peak: what peak() just said */
    int (*processes)(const struct cgroup *g);                   /* in there now, the spawner too */
    /* lane, after a run: make the next measurement honest. True: the spawner must be replaced. */
    bool (*refresh)(struct cgroup *g);
};

extern const struct cgroup_ops cgroup_v1, cgroup_v2, cgroup_none;

/*
 * Keeper: choose the version, make the keeper's folder, sweep what dead keepers left.
 *
 * root     the folder delegated to us (EVALX_CGROUP_ROOT), "" for what is mounted here
 * errors   SYSTEM, the text says what is missing
 */
MUST_USE bool cgroup_tree_open(enum cgroup_want want, const char *root, struct cgroup_tree *ret,
                               struct err *e);
void cgroup_tree_close(const struct cgroup_tree *t);

const struct cgroup_ops *cgroup_ops_of(enum cgroup_version version);

/* ---- shared by the backends ---- */

/* Everything in the cgroup stays on these cores; true, too, where the controller is not there. */
MUST_USE bool cgroup_cores(const struct cgroup *g, const cpu_set_t *cores, struct err *e);

/* Where a controller (or "" for v2) is mounted; false when it is not. */
bool cgroup_mount(const char *controller, char *ret, size_t size);

/* The number in a file, or in the line of it that starts with key; -1 when there is none. */
int64_t cgroup_read(int fd, const char *key);
MUST_USE bool cgroup_write(int fd, int64_t value);
/* Open a file of a folder; -1 and e. */
int cgroup_file(int folder, const char *name, int flags, struct err *e);
/* Remove a folder and those below it; false while something is in there. */
bool cgroup_remove(const char *folder);
/* SIGKILL to every process listed in folder/cgroup.procs. */
void cgroup_kill_listed(const char *folder);

#endif
