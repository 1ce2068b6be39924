/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No cgroups: the operator allowed it by name. Limits are rlimits of each process, figures are
 * rusage, and reports say so. The process namespace still finds and kills everything in the box.
 */
#include "sandbox/cgroup.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool none_find(UNUSED struct cgroup_tree *t, UNUSED const char *root, UNUSED struct err *e)
{
    return true;
}

static bool none_make(UNUSED const struct cgroup_tree *t, UNUSED const char *lane,
                      UNUSED uid_t owner, UNUSED struct err *e)
{
    return true;
}

static bool none_remove(UNUSED const struct cgroup_tree *t, UNUSED const char *lane)
{
    return true;
}

static bool none_open(struct cgroup *g, UNUSED const struct cgroup_tree *t, UNUSED const char *lane,
                      UNUSED struct err *e)
{
    g->cores = -1;
    return true;
}

static pid_t none_fork(UNUSED struct cgroup *g)
{
    return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
}

static bool none_enter(UNUSED struct cgroup *g, UNUSED struct err *e)
{
    return true;
}

static bool none_limit(UNUSED struct cgroup *g, UNUSED int64_t memory_bytes, UNUSED int processes,
                       UNUSED struct err *e)
{
    return true;
}

static bool none_roomy(UNUSED struct cgroup *g, UNUSED struct err *e)
{
    return true;
}

static bool none_begin(UNUSED struct cgroup *g, UNUSED struct err *e)
{
    return true;
}

static int64_t none_figure(UNUSED const struct cgroup *g)
{
    return 0;
}

static int64_t none_kills(UNUSED const struct cgroup *g, UNUSED int64_t peak)
{
    return 0;
}

static int none_processes(UNUSED const struct cgroup *g)
{
    return -1; /* not known */
}

static bool none_refresh(UNUSED struct cgroup *g)
{
    return false;
}

const struct cgroup_ops cgroup_none = {
    .name = "none",
    .find = none_find,
    .make = none_make,
    .remove = none_remove,
    .open = none_open,
    .fork = none_fork,
    .enter = none_enter,
    .limit = none_limit,
    .begin = none_begin,
    .roomy = none_roomy,
    .cpu_us = none_figure,
    .peak = none_figure,
    .oom_kills = none_kills,
    .processes = none_processes,
    .refresh = none_refresh,
};
