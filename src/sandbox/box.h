/* SPDX-License-Identifier: Apache-2.0 */
/*
 * box.h - run one program safely: the server's side of the sandbox.
 *
 * A *keeper* (evalx-box --keeper) is started first of all, while the process may still be root. It
 * is tiny, stays privileged, and does one thing when asked over a socket pair: start or replace a
 * *lane*. Each lane is an evalx-box process with a warm box: namespaces, a read-only root, seccomp
 * and cgroups built once, then used run after run (sandbox theory of operation: lane.c). The server
 * talks to a lane over its own socket pair; descriptors travel with the plan and the report. When
 * the server dies, keeper and lanes die with it, and the keeper removes cgroups left behind.
 *
 * Fail closed: a lane whose layers cannot all be set up refuses to run anything, and says which
 * layer and how to mend it.
 */
#ifndef EVALX_SANDBOX_BOX_H
#define EVALX_SANDBOX_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "sandbox/plan.h"
#include "sandbox/report.h"

struct keeper;
struct box;

enum cgroup_want {
    CGROUP_AUTO, /* v1 controllers where they are mounted, else v2 */
    CGROUP_V1,
    CGROUP_V2,
    CGROUP_NONE, /* only when the operator allows it by name: rlimits and rusage */
};

struct keeper_config {
    const char *program;     /* path of evalx-box; NULL: beside the running executable */
    enum cgroup_want cgroup; /* EVALX_CGROUP */
    const char *cgroup_root; /* a folder delegated to us, v2: itself, v1: with one per controller in
                                it; NULL: found by what is mounted */
    int first_core;          /* lane 0's; lanes take turns from there */
    int64_t disk_bytes;      /* writable space of each box; 0: 256 MiB */
    const char *const
        *etc; /* NULL-ended names below /etc shown in the box, beside the built-in ones */
    const char *const
        *mounts; /* NULL-ended absolute paths shown read-only beside /usr, /bin, /lib* */
};

/* One layer of the sandbox, as doctor, health and errors show it. */
struct layer {
    const char *name; /* "user namespace", "cgroup memory", "seccomp", ... */
    bool ok;
    bool weak;        /* ok, but some of what it gives elsewhere is lost here: detail says what */
    char detail[160]; /* how it is provided: "v1, /sys/fs/cgroup/memory/evalx" */
    char fix[160];    /* when not ok, or weak: what the operator can do */
};

enum { LAYERS_MAX = 24 };

/*
 * Start the keeper. Call before dropping root and before the first thread. Raises this process's
 * limit of open files to the most it may have.
 *
 * errors   SYSTEM the program cannot be started, or is of another build
 * threads  once per process
 */
MUST_USE struct keeper *keeper_start(const struct keeper_config *config, struct err *e);

/* Stop it with all its lanes, wait for it, and for the removal of the cgroups. Accepts NULL. */
void keeper_stop(struct keeper *k);
CLEANUP_FOR(struct keeper *, keeper_stop)

/*
 * Build a lane, probe every layer on it and run a trivial program in it.
 *
 * layers   filled with up to LAYERS_MAX entries, in the order they are set up
 * ret      their number; a layer that is not ok means that no program would be run
 * errors   UNAVAILABLE the keeper is gone
 */
MUST_USE bool keeper_probe(struct keeper *k, struct layer *layers, int *ret, struct err *e);

/*
 * Open a lane.
 *
 * lane     0 and up; the lane's name, its host uid range and its core (lane modulo cores)
 * errors   UNAVAILABLE keeper gone; SYSTEM a layer failed, the text names it and the fix
 * threads  any
 */
MUST_USE struct box *box_open(struct keeper *k, int lane, struct err *e);
void box_close(struct box *b);
CLEANUP_FOR(struct box *, box_close)

/*
 * Run one program to its end and report what it did. A lane found broken is replaced on the next
 * call; the run it broke in fails with err and can be repeated.
 *
 * plan     borrowed for the call
 * ret      set on success only; release with report_done()
 * errors   INVALID the plan breaks its own rules; SYSTEM, UNAVAILABLE trouble of ours, try again
 * threads  one at a time per box
 */
MUST_USE bool box_run(struct box *b, const struct plan *plan, struct report *ret, struct err *e);

/* Make the run in progress end as END_CANCELLED; nothing when none is. Threads: any. */
void box_cancel(struct box *b);

/* Wipe a box that a plan with keep left as it was. Nothing to do when it is clean. */
MUST_USE bool box_wipe(struct box *b, struct err *e);

/* How often this lane was replaced since box_open(). Threads: any. */
int64_t box_rebuilds(const struct box *b);

#endif
