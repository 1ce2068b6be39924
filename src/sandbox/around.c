/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Since Linux 6.11 a v2 group counts in pids.events.local what its own limit refused, and that is
 * the answer. Before, and on v1, a group counts the forks that failed in it, whoever's limit it
 * was: then it was the one around when that could not have given the lane all it may have.
 */
#include "sandbox/around.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static int open_in(const char *folder, const char *name)
{
    char path[CGROUP_PATH + CGROUP_NAME + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int64_t left_of(int limit, int now)
{
    int64_t most = cgroup_read(limit, NULL); /* "max" is no number */
    return most < 0 ? INT64_MAX : MAX(most - cgroup_read(now, NULL), (int64_t)0);
}

/* Take this group when it has less room than the one before. */
static void consider(struct around *a, const char *folder)
{
    CLEANUP(fd_close) int limit = open_in(folder, "pids.max");
    CLEANUP(fd_close) int now = open_in(folder, "pids.current");
    if (limit < 0 || now < 0 || left_of(limit, now) >= around_left(a))
        return;
    fd_close(a->limit);
    fd_close(a->now);
    fd_close(a->refused);
    a->limit = TAKE_FD(limit);
    a->now = TAKE_FD(now);
    a->refused = open_in(folder, "pids.events.local");
    a->theirs = a->refused >= 0;
}

void around_open(struct around *a, const struct cgroup_tree *t, const char *lane)
{
    char folder[CGROUP_PATH];
    int controller = t->version == CGROUPS_V1 ? CGROUP_PIDS : 0; /* v2 has one path for all */
    *a = (struct around){ .limit = -1, .now = -1, .refused = -1 };
    if (t->version == CGROUPS_NONE)
        return;
    snprintf(folder, sizeof folder, "%s", t->path[controller]);
    for (char *slash; (slash = strrchr(folder, '/')) != NULL; *slash = '\0')
        consider(a, folder);
    if (a->limit < 0 || a->theirs || t->version != CGROUPS_V1)
        return;
    snprintf(folder, sizeof folder, "%.200s/%.90s", t->path[controller], lane);
    a->refused = open_in(folder, "pids.events");
}

int64_t around_left(const struct around *a)
{
    return a->limit < 0 ? INT64_MAX : left_of(a->limit, a->now);
}

void around_begin(struct around *a, const struct cgroup *g)
{
    if (a->limit < 0)
        return;
    if (!a->theirs && g->ops == &cgroup_v2) { /* the lane's group is another now and then */
        fd_close(a->refused);
        a->refused = openat(g->leaf, "pids.events", O_RDONLY | O_CLOEXEC);
    }
    a->refused_at = cgroup_read(a->refused, "max");
}

bool around_refused(const struct around *a, const struct cgroup *g)
{
    if (a->limit < 0 || cgroup_read(a->refused, "max") <= a->refused_at)
        return false;
    return a->theirs || around_left(a) < g->processes_now - g->ops->processes(g);
}
