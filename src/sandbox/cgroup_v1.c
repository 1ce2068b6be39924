/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v1: memory, pids and cpuacct, each a hierarchy of its own; and cpuset, where it is mounted
 * and lets us.
 *
 * The spawner writes itself into each cgroup.procs once; writing there in a run would take a
 * lock of the whole kernel, 3 to 20 ms after a pause. Counters are reset by writing 0 to them.
 * Memory and memory+swap get the same limit, so nothing hides in swap; where the kernel was built
 * without swap accounting the second file does not exist.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sandbox/cgroup.h"

static const char *const controllers[CGROUP_CONTROLLERS] = { "memory", "pids", "cpuacct",
                                                             "cpuset" };

/* Reading oom_control costs a microsecond, so only runs that came near the limit pay for it. The
 * kernel charges in batches of up to 64 pages on each CPU, hence the distance. */
enum { NEAR_LIMIT = 8 << 20, ROOMY_BYTES = 64 << 20 };

static bool find_one(struct cgroup_tree *t, const char *root, int i, struct err *e)
{
    char mount[256];
    if (*root)
        snprintf(mount, sizeof mount, "%s/%s", root, controllers[i]);
    else if (!cgroup_mount(controllers[i], mount, sizeof mount))
        return err_set(e, ERR_SYSTEM, "controller %s is not mounted", controllers[i]);
    snprintf(t->path[i], CGROUP_PATH, "%s/evalx", mount);
    if (mkdir(t->path[i], 0755) != 0 && errno != EEXIST)
        return err_sys(e, "create %s", t->path[i]);
    return true;
}

static bool v1_find(struct cgroup_tree *t, const char *root, struct err *e)
{
    struct err ignored;
    for (int i = 0; i < CGROUP_CORES; i++)
        if (!find_one(t, root, i, e))
            return false;
    if (!find_one(t, root, CGROUP_CORES, &ignored))
        t->path[CGROUP_CORES][0] = '\0';
    return true;
}

/* A new cpuset has no cores and no memory nodes, and takes nobody in: give it its parent's. */
static bool take_over(const char *folder)
{
    static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char from[CGROUP_PATH + CGROUP_NAME + 32], to[CGROUP_PATH + CGROUP_NAME + 32], text[1024];
        snprintf(from, sizeof from, "%s/../%s", folder, files[i]);
        snprintf(to, sizeof to, "%s/%s", folder, files[i]);
        CLEANUP(fd_close) int in = open(from, O_RDONLY | O_CLOEXEC);
        CLEANUP(fd_close) int out = open(to, O_WRONLY | O_CLOEXEC);
        ssize_t len = in >= 0 && out >= 0 ? read(in, text, sizeof text) : -1;
        if (len <= 0 || write(out, text, (size_t)len) != len)
            return false;
    }
    return true;
}

static bool make_cores(const char *common, const char *own, const char *lane, struct err *e)
{
    if (take_over(common) && take_over(own) && take_over(lane))
        return true;
    return err_sys(e, "hand cores down to cgroup %s", lane);
}

static bool v1_make(const struct cgroup_tree *t, const char *lane, UNUSED uid_t owner,
                    struct err *e)
{
    char path[CGROUP_PATH + CGROUP_NAME], common[CGROUP_PATH + 4];
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        snprintf(path, sizeof path, "%s/%s", t->path[i], lane);
        if (t->path[i][0] && mkdir(path, 0755) != 0)
            return err_sys(e, "create cgroup %s", path);
    }
    snprintf(common, sizeof common, "%s/..", t->path[CGROUP_CORES]);
    return !t->path[CGROUP_CORES][0] || make_cores(common, t->path[CGROUP_CORES], path, e);
}

static bool v1_remove(const struct cgroup_tree *t, const char *lane)
{
    bool gone = true;
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        char path[CGROUP_PATH + CGROUP_NAME];
        snprintf(path, sizeof path, "%s/%s", t->path[i], lane);
        if (!t->path[i][0] || rmdir(path) == 0 || errno == ENOENT)
            continue;
        cgroup_kill_listed(path);
        gone = false;
    }
    return gone;
}

static bool open_files(struct cgroup *g, const int folder[CGROUP_CONTROLLERS], struct err *e)
{
    const int memory = folder[CGROUP_MEMORY], pids = folder[CGROUP_PIDS];
    g->memory_swap = openat(memory, "memory.memsw.limit_in_bytes", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        bool there = i != CGROUP_CORES || folder[i] >= 0;
        g->procs[i] = there ? cgroup_file(folder[i], "cgroup.procs", O_WRONLY, e) : -1;
        if (there && g->procs[i] < 0)
            return err_add(e, "%s", controllers[i]);
    }
    const int cores = folder[CGROUP_CORES];
    g->cores = cores >= 0 ? cgroup_file(cores, "cpuset.cpus", O_RDWR, e) : -1;
    if (cores >= 0 && g->cores < 0)
        return false;
    return (g->memory_limit = cgroup_file(memory, "memory.limit_in_bytes", O_RDWR, e)) >= 0 &&
           (g->memory_usage = cgroup_file(memory, "memory.usage_in_bytes", O_RDONLY, e)) >= 0 &&
           (g->memory_peak = cgroup_file(memory, "memory.max_usage_in_bytes", O_RDWR, e)) >= 0 &&
           (g->memory_events = cgroup_file(memory, "memory.oom_control", O_RDONLY, e)) >= 0 &&
           (g->memory_empty = cgroup_file(memory, "memory.force_empty", O_WRONLY, e)) >= 0 &&
           (g->pids_limit = cgroup_file(pids, "pids.max", O_RDWR, e)) >= 0 &&
           (g->pids_now = cgroup_file(pids, "pids.current", O_RDONLY, e)) >= 0 &&
           (g->cpu = cgroup_file(folder[CGROUP_CPU], "cpuacct.usage", O_RDWR, e)) >= 0;
}

static bool v1_open(struct cgroup *g, const struct cgroup_tree *t, const char *lane, struct err *e)
{
    int folder[CGROUP_CONTROLLERS];
    bool ok = true;
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        char path[CGROUP_PATH + CGROUP_NAME];
        snprintf(path, sizeof path, "%s/%s", t->path[i], lane);
        folder[i] = t->path[i][0] ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        if (folder[i] < 0 && t->path[i][0])
            ok = err_sys(e, "open cgroup %s", path);
    }
    ok = ok && open_files(g, folder, e);
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        fd_close(folder[i]);
    return ok;
}

static pid_t v1_fork(UNUSED struct cgroup *g)
{
    return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
}

static bool v1_enter(struct cgroup *g, struct err *e)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (g->procs[i] >= 0 && write(g->procs[i], "0", 1) != 1)
            return err_sys(e, "enter cgroup %s", controllers[i]);
    return true;
}

/* The limit may never pass the one for memory and swap together, so the order depends. */
static bool write_limits(struct cgroup *g, int64_t bytes)
{
    bool up = bytes > g->limit_now;
    int first = up ? g->memory_swap : g->memory_limit;
    int second = up ? g->memory_limit : g->memory_swap;
    return (first < 0 || cgroup_write(first, bytes)) && (second < 0 || cgroup_write(second, bytes));
}

/*
 * A limit below what is in use is refused. What is in use then is not the program's, it has not
 * started: page cache to be dropped, and a few pages of the spawner, on top of which it gets its
 * own.
 */
static bool set_memory(struct cgroup *g, int64_t memory_bytes, struct err *e)
{
    int64_t bytes = memory_bytes + g->own_bytes;
    for (int tries = 0; !write_limits(g, bytes); tries++) {
        if (errno != EBUSY || tries == 4)
            return err_sys(e, "set the memory limit to %lld", (long long)bytes);
        (void)!write(g->memory_empty, "0", 1);
        bytes = memory_bytes + ((int64_t)tries << 18) + cgroup_read(g->memory_usage, NULL);
    }
    g->begun = false; /* what was dropped for it counts no more */
    g->limit_now = bytes;
    g->memory_now = memory_bytes;
    return true;
}

static bool v1_limit(struct cgroup *g, int64_t memory_bytes, int processes, struct err *e)
{
    if (g->limit_now == 0)
        g->limit_now = INT64_MAX; /* a new cgroup has none */
    if (memory_bytes != g->memory_now && !set_memory(g, memory_bytes, e))
        return false;
    if (processes != g->processes_now) {
        g->begun = false;
        if (!cgroup_write(g->pids_limit, processes))
            return err_sys(e, "set the process limit to %d", processes);
        g->processes_now = processes;
    }
    return true;
}

static bool v1_roomy(struct cgroup *g, struct err *e)
{
    return v1_limit(g, ROOMY_BYTES, 2, e);
}

static bool v1_begin(struct cgroup *g, struct err *e)
{
    if (g->begun)
        return true;
    if (write(g->memory_peak, "0", 1) != 1 || write(g->cpu, "0", 1) != 1)
        return err_sys(e, "reset the counters");
    g->base_bytes = cgroup_read(g->memory_usage, NULL);
    if (g->base_bytes < 0)
        return err_sys(e, "read the memory in use");
    g->begun = true;
    return true;
}

static int64_t v1_cpu_us(const struct cgroup *g)
{
    return cgroup_read(g->cpu, NULL) / 1000;
}

static int64_t v1_peak(const struct cgroup *g)
{
    return cgroup_read(g->memory_peak, NULL) - g->base_bytes;
}

static int64_t v1_oom_kills(const struct cgroup *g, int64_t peak)
{
    if (g->limit_now - (g->base_bytes + peak) > NEAR_LIMIT)
        return 0;
    int64_t now = cgroup_read(g->memory_events, "oom_kill");
    return now < 0 ? 0 : now - g->kills_before;
}

static int v1_processes(const struct cgroup *g)
{
    return (int)cgroup_read(g->pids_now, NULL);
}

enum { STALE_BYTES = 4 << 20 };

/* Page cache a run left behind would make the next one look smaller, or bigger: drop it. */
static bool v1_refresh(struct cgroup *g)
{
    struct err ignored; /* begin() says it again */
    if (!v1_begin(g, &ignored) || g->base_bytes - g->own_bytes <= STALE_BYTES)
        return false;
    (void)!write(g->memory_empty, "0", 1);
    g->begun = false;
    return false;
}

const struct cgroup_ops cgroup_v1 = {
    .name = "v1",
    .find = v1_find,
    .make = v1_make,
    .remove = v1_remove,
    .open = v1_open,
    .fork = v1_fork,
    .enter = v1_enter,
    .limit = v1_limit,
    .begin = v1_begin,
    .roomy = v1_roomy,
    .cpu_us = v1_cpu_us,
    .peak = v1_peak,
    .oom_kills = v1_oom_kills,
    .processes = v1_processes,
    .refresh = v1_refresh,
};
