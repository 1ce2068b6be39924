/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v2: one folder per lane, delegated to the lane's user.
 *
 *   <own>/evalx/k.../lane-0/      made by the keeper, owned by the lane's root user
 *                           host  the lane process sits here, so that it may start others beside
 *                           s0    the spawner is born here (clone3 CLONE_INTO_CGROUP): no lock
 * taken
 *
 * memory.peak can be reset through an open descriptor since Linux 6.12. Before that, the leaf and
 * its spawner are replaced after a run that raised it, s1 after s0 and so on.
 * A cgroup that has processes cannot hand controllers down (except the real root), so at the start
 * everything beside us moves into a sub-folder when that stands in the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "sandbox/cgroup.h"

#define HOST "/evalx-host"

static bool write_text(const char *folder, const char *file, const char *text)
{
    char path[CGROUP_PATH + CGROUP_NAME + 64];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool own_path(char *ret, size_t size)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    struct err e;
    if (!file_read(AT_FDCWD, "/proc/self/cgroup", 65536, &text, &e) || text.len == 0)
        return false;
    char *at = strncmp(text.ptr, "0::", 3) == 0 ? text.ptr : strstr(text.ptr, "\n0::");
    if (!at)
        return false;
    at = strchr(at, '/');
    if (!at)
        return false;
    at[strcspn(at, "\n")] = '\0';
    size_t len = strlen(at), tail = strlen(HOST);
    if (len >= tail && strcmp(at + len - tail, HOST) == 0)
        at[len - tail] = '\0'; /* we moved ourselves there, in an earlier life */
    snprintf(ret, size, "%s", strcmp(at, "/") == 0 ? "" : at);
    return true;
}

static void move_aside(const char *own)
{
    char host[CGROUP_PATH + 16], path[CGROUP_PATH + 32];
    snprintf(host, sizeof host, "%s" HOST, own);
    snprintf(path, sizeof path, "%s/cgroup.procs", own);
    if (mkdir(host, 0755) != 0 && errno != EEXIST)
        return;
    CLEANUP(buf_done) struct buf list = { 0 };
    struct err e;
    if (!file_read(AT_FDCWD, path, 1 << 20, &list, &e) || list.len == 0)
        return;
    char *save = NULL;
    for (char *p = strtok_r(list.ptr, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
        (void)write_text(host, "cgroup.procs", p);
}

/*
 * Memory first: the kernel refuses it, and does nothing, while the folder has processes. Cores it
 * would grant them, as to threads, and then let nobody move into a folder below. Cores only where
 * that controller is handed to us.
 */
static bool hand_down(const char *folder)
{
    if (!write_text(folder, "cgroup.subtree_control", "+memory +pids"))
        return false;
    (void)write_text(folder, "cgroup.subtree_control", "+cpuset");
    return true;
}

static bool find_base(char base[CGROUP_PATH], const char *root, struct err *e)
{
    char mount[200] = "", own[200] = "";
    if (!*root && (!cgroup_mount("", mount, sizeof mount) || !own_path(own, sizeof own)))
        return err_set(e, ERR_SYSTEM, "no cgroup2 file system is mounted");
    if (snprintf(base, CGROUP_PATH, "%s%s%s", root, mount, own) >= 200)
        return err_set(e, ERR_SYSTEM, "the path of our own cgroup is too long");
    return true;
}

static bool v2_find(struct cgroup_tree *t, const char *root, struct err *e)
{
    char base[CGROUP_PATH];
    if (!find_base(base, root, e))
        return false;

    CLEANUP(buf_done) struct buf has = { 0 };
    char path[CGROUP_PATH + 32];
    snprintf(path, sizeof path, "%s/cgroup.controllers", base);
    if (!file_read(AT_FDCWD, path, 4096, &has, e))
        return false;
    if (!strstr(buf_str(&has).ptr, "memory") || !strstr(buf_str(&has).ptr, "pids"))
        return err_set(e, ERR_SYSTEM, "%s has no memory and pids controllers", base);
    if (!hand_down(base)) {
        move_aside(base);
        if (!hand_down(base))
            return err_sys(e, "hand memory and pids down from %s", base);
    }
    snprintf(t->path[0], CGROUP_PATH, "%.250s/evalx", base);
    if (mkdir(t->path[0], 0755) != 0 && errno != EEXIST)
        return err_sys(e, "create %s", t->path[0]);
    if (!hand_down(t->path[0]))
        return err_sys(e, "hand memory and pids down from %s", t->path[0]);
    return true;
}

static bool give_to(uid_t owner, const char *folder, struct err *e)
{
    static const char *const names[] = { ".", "cgroup.procs", "cgroup.subtree_control" };
    CLEANUP(fd_close) int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (dir < 0 || fchownat(dir, names[i], owner, owner, 0) != 0)
            return err_sys(e, "give cgroup %s to the lane", folder);
    return true;
}

static bool v2_make(const struct cgroup_tree *t, const char *lane, uid_t owner, struct err *e)
{
    char path[CGROUP_PATH + CGROUP_NAME], host[CGROUP_PATH + CGROUP_NAME + 8];
    snprintf(path, sizeof path, "%s/%s", t->path[0], lane);
    snprintf(host, sizeof host, "%s/host", path);
    if (!hand_down(t->path[0]))
        return err_sys(e, "hand memory and pids down from %s", t->path[0]);
    if (mkdir(path, 0755) != 0 || !hand_down(path) || mkdir(host, 0755) != 0)
        return err_sys(e, "create cgroup %s", path);
    return give_to(owner, path, e) && give_to(owner, host, e);
}

static bool v2_remove(const struct cgroup_tree *t, const char *lane)
{
    char path[CGROUP_PATH + CGROUP_NAME];
    snprintf(path, sizeof path, "%s/%s", t->path[0], lane);
    if (access(path, F_OK) != 0)
        return true;
    if (!write_text(path, "cgroup.kill", "1")) {
        char host[CGROUP_PATH + CGROUP_NAME + 8];
        snprintf(host, sizeof host, "%s/host", path);
        cgroup_kill_listed(host);
    }
    return cgroup_remove(path);
}

static bool v2_open(struct cgroup *g, const struct cgroup_tree *t, const char *lane, struct err *e)
{
    char path[CGROUP_PATH + CGROUP_NAME];
    snprintf(path, sizeof path, "%s/%s", t->path[0], lane);
    g->leaf = -1;
    g->leaf_no = -1;
    g->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g->cores = openat(g->folder, "cpuset.cpus", O_RDWR | O_CLOEXEC);
    if (g->folder < 0)
        return err_sys(e, "open cgroup %s", path);
    if (!write_text(path, "host/cgroup.procs", "0"))
        return err_sys(e, "enter cgroup %s/host", path);
    return true;
}

static void close_leaf(struct cgroup *g)
{
    int *const fds[] = { &g->leaf,         &g->memory_limit, &g->memory_swap,
                         &g->memory_usage, &g->memory_peak,  &g->memory_events,
                         &g->pids_limit,   &g->pids_now,     &g->memory_empty,
                         &g->cpu };
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        if (g->leaf_no >= 0)
            fd_close(*fds[i]);
        *fds[i] = -1;
    }
}

static bool open_leaf(struct cgroup *g, struct err *e)
{
    const int leaf = g->leaf;
    g->memory_peak = openat(leaf, "memory.peak", O_RDWR | O_CLOEXEC);
    g->peak_resets = g->memory_peak >= 0 && write(g->memory_peak, "0", 1) == 1;
    if (!g->peak_resets) {
        fd_close(g->memory_peak);
        g->memory_peak = openat(leaf, "memory.peak", O_RDONLY | O_CLOEXEC); /* 5.19 */
    }
    g->memory_empty = openat(leaf, "memory.reclaim", O_WRONLY | O_CLOEXEC); /* 5.19 */
    g->memory_swap = openat(leaf, "memory.swap.max", O_WRONLY | O_CLOEXEC);
    if (g->memory_swap >= 0 && !cgroup_write(g->memory_swap, 0))
        return err_sys(e, "memory.swap.max");
    return (g->memory_limit = cgroup_file(leaf, "memory.max", O_RDWR, e)) >= 0 &&
           (g->memory_usage = cgroup_file(leaf, "memory.current", O_RDONLY, e)) >= 0 &&
           (g->memory_events = cgroup_file(leaf, "memory.events", O_RDONLY, e)) >= 0 &&
           (g->pids_limit = cgroup_file(leaf, "pids.max", O_RDWR, e)) >= 0 &&
           (g->pids_now = cgroup_file(leaf, "pids.current", O_RDONLY, e)) >= 0 &&
           (g->cpu = cgroup_file(leaf, "cpu.stat", O_RDONLY, e)) >= 0;
}

/* A leaf whose counters start from nothing; the one before it is empty by now. */
static bool new_leaf(struct cgroup *g, struct err *e)
{
    char name[16];
    close_leaf(g);
    if (g->leaf_no >= 0) {
        snprintf(name, sizeof name, "s%d", g->leaf_no);
        unlinkat(g->folder, name, AT_REMOVEDIR);
    }
    g->leaf_no++;
    snprintf(name, sizeof name, "s%d", g->leaf_no);
    if (mkdirat(g->folder, name, 0755) != 0)
        return err_sys(e, "create cgroup %s", name);
    g->leaf = openat(g->folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (g->leaf < 0 || !open_leaf(g, e))
        return err_add(e, "cgroup %s", name);
    g->memory_now = 0;
    g->processes_now = 0;
    g->kills_before = 0;
    g->own_bytes = 0;
    g->begun = false;
    return true;
}

static pid_t v2_fork(struct cgroup *g)
{
    struct err e;
    if (!new_leaf(g, &e))
        return -1;
    struct clone_args how = {
        .flags = CLONE_FILES | CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)g->leaf,
    };
    return (pid_t)syscall(SYS_clone3, &how, sizeof how);
}

static bool v2_enter(UNUSED struct cgroup *g, UNUSED struct err *e)
{
    return true; /* born in it */
}

static bool v2_limit(struct cgroup *g, int64_t memory_bytes, int processes, struct err *e)
{
    if (memory_bytes != g->memory_now) {
        int64_t bytes = memory_bytes + g->own_bytes;
        if (!cgroup_write(g->memory_limit, bytes))
            return err_sys(e, "set the memory limit to %lld", (long long)bytes);
        g->memory_now = memory_bytes;
        g->begun = false;
    }
    if (processes != g->processes_now) {
        g->begun = false;
        if (!cgroup_write(g->pids_limit, processes))
            return err_sys(e, "set the process limit to %d", processes);
        g->processes_now = processes;
    }
    return true;
}

static bool v2_roomy(UNUSED struct cgroup *g, UNUSED struct err *e)
{
    return true; /* a new spawner gets a new leaf */
}

static bool v2_begin(struct cgroup *g, struct err *e)
{
    if (g->begun)
        return true;
    if (g->peak_resets && write(g->memory_peak, "0", 1) != 1)
        return err_sys(e, "reset memory.peak");
    g->peak_before = g->peak_resets ? 0 : cgroup_read(g->memory_peak, NULL);
    g->base_bytes = cgroup_read(g->memory_usage, NULL);
    g->cpu_before_us = cgroup_read(g->cpu, "usage_usec");
    if (g->base_bytes < 0 || g->cpu_before_us < 0)
        return err_sys(e, "read memory.current and cpu.stat");
    g->begun = true;
    return true;
}

static int64_t v2_cpu_us(const struct cgroup *g)
{
    return cgroup_read(g->cpu, "usage_usec") - g->cpu_before_us;
}

static int64_t v2_peak(const struct cgroup *g)
{
    int64_t peak = cgroup_read(g->memory_peak, NULL);
    if (!g->peak_resets && peak <= g->peak_before)
        return 0; /* below what an earlier run left: rusage knows better */
    return peak - g->base_bytes;
}

static int64_t v2_oom_kills(const struct cgroup *g, UNUSED int64_t peak)
{
    int64_t now = cgroup_read(g->memory_events, "oom_kill");
    return now < 0 ? 0 : now - g->kills_before;
}

static int v2_processes(const struct cgroup *g)
{
    return (int)cgroup_read(g->pids_now, NULL);
}

enum { STALE_BYTES = 1 << 20, RECLAIM_BYTES = 4 << 20 };

static bool v2_refresh(struct cgroup *g)
{
    int64_t now = cgroup_read(g->memory_usage, NULL);
    if (now - g->own_bytes > RECLAIM_BYTES && g->memory_empty >= 0)
        (void)!cgroup_write(g->memory_empty, now - g->own_bytes);
    return !g->peak_resets && cgroup_read(g->memory_peak, NULL) - g->own_bytes > STALE_BYTES;
}

const struct cgroup_ops cgroup_v2 = {
    .name = "v2",
    .find = v2_find,
    .make = v2_make,
    .remove = v2_remove,
    .open = v2_open,
    .fork = v2_fork,
    .enter = v2_enter,
    .limit = v2_limit,
    .begin = v2_begin,
    .roomy = v2_roomy,
    .cpu_us = v2_cpu_us,
    .peak = v2_peak,
    .oom_kills = v2_oom_kills,
    .processes = v2_processes,
    .refresh = v2_refresh,
};
