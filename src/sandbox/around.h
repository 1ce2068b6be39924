/* SPDX-License-Identifier: Apache-2.0 */
/*
 * around.h - the limit on processes around the boxes: the container's, the service's.
 *
 * A fork() that fails for it says nothing about the program. Where no control group above a lane's
 * has a limit (looked at once, when the lane is built) there is nothing to look at in a run.
 *
 * Threads: none; evalx-box is single-threaded.
 * Source: Documentation/admin-guide/cgroup-v2.rst (pids.events, pids.events.local), cgroup-v1/pids.
 */
#ifndef EVALX_SANDBOX_AROUND_H
#define EVALX_SANDBOX_AROUND_H

#include "sandbox/cgroup.h"

struct around {
    int limit, now;     /* of the group with the least room: pids.max, pids.current; -1: none has */
    int refused;        /* counts forks that failed */
    bool theirs;        /* for that group's limit; else in the lane, for whatever limit */
    int64_t refused_at; /* when the run began */
};

/* Look at the groups above a lane's and keep the tightest. Needs the host's files in sight. */
void around_open(struct around *a, const struct cgroup_tree *t, const char *lane);

/* Processes it has left; INT64_MAX when nothing limits them. */
int64_t around_left(const struct around *a);

/* A run begins. */
void around_begin(struct around *a, const struct cgroup *g);

/* Was a process refused since then for want of room around the box? */
bool around_refused(const struct around *a, const struct cgroup *g);

#endif
