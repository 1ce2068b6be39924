/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation of a lane.
 *
 *   server ── socket pair ── L ── shared memory ── I, S
 *                            │
 *   L  this process. In the host's process namespace and outside the box's cgroup, but in the box's
 *      user, mount, network, IPC and UTS namespaces, with the box's root. Takes plans, watches,
 *      measures, reaps, reports, wipes. Never runs anything itself.
 *   I  pid 1 of the box's process namespace (init.c). Kills everything in there when asked.
 *   S  the spawner (spawner.c). In the box's cgroup, filter installed. Clones each run.
 *   U  the user's program, child of L by CLONE_PARENT, born in S's cgroup with S's filter, in I's
 *      process namespace, as a user that no other lane has, nor the runs before on this one.
 *
 * Building all that takes about 10 ms and is done once. A run then costs a bare spawn and a few
 * dozen microseconds: one message in, some counters reset, one futex wake, one poll or two, one
 * message out. What follows a run (wiping, replacing what it broke) comes after its report was
 * sent.
 *
 * Fail closed: each step of the set-up below is a layer. When one fails the lane says which, how to
 * mend it, and ends; no plan is ever taken by half a box.
 *
 * Nothing of a run survives it. Processes: by count of the cgroup. Files, names, marks: wiped.
 * IPC objects: cannot be made. Keys, locks, inotify marks: on inodes of the box alone. A run that
 * leaves something we cannot remove costs the lane: it ends, and the keeper builds another.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "sandbox/lane.h"
#include "sandbox/remedy.h"

/* ---- building ---- */

static bool write_sysctl(const char *name, const char *value)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/sys/%s", name);
    CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
}

/* The layer is there, but for what this host, or this user, cannot give. */
static void is_weak(struct layer *layer, bool weak, const char *fix)
{
    layer->weak = weak;
    if (weak)
        snprintf(layer->fix, sizeof layer->fix, "%s", fix);
}

enum { FEW_PROCESSES = 128 }; /* for all boxes together, before it is worth a word */

static bool build_cgroup(struct lane *l, struct layer *layer, struct err *e)
{
    const struct cgroup_ops *ops = cgroup_ops_of(l->setup.tree.version);
    l->cgroup.ops = ops;
    const char *where = l->setup.tree.path[0];
    if (ops == &cgroup_none)
        where = "limits are those of each process, children's use is not added up";
    snprintf(layer->detail, sizeof layer->detail, "%s, %.120s", ops->name, where);
    snprintf(layer->fix, sizeof layer->fix,
             "give the service write access to its cgroups (systemd: Delegate=yes)");
    is_weak(layer, ops == &cgroup_none,
            "run as root, or delegate cgroups to this user, and unset EVALX_CGROUP");
    around_open(&l->around, &l->setup.tree, l->setup.cgroup);
    if (around_left(&l->around) < FEW_PROCESSES) {
        snprintf(layer->detail, sizeof layer->detail, "%s, but only %lld processes left around it",
                 ops->name, (long long)around_left(&l->around));
        is_weak(layer, true, remedy_of(EAGAIN));
    }
    return ops->open(&l->cgroup, &l->setup.tree, l->setup.cgroup, e);
}

/*
 * L and I go before everybody else on their core: each needs a few microseconds at a time, and a
 * program's hundreds of processes share that core with them. A limit that comes half a second late
 * is none. S is only the first among equals. Programs inherit neither (spawner.c).
 */
static void go_first(struct lane *l)
{
    const struct sched_param lowest = { .sched_priority = 1 };
    (void)!setpriority(PRIO_PROCESS, 0, -20);
    l->first = sched_setscheduler(0, SCHED_RR, &lowest) == 0;
}

static bool build_core(struct lane *l, struct layer *layer, struct err *e)
{
    cpu_set_t one;
    snprintf(layer->fix, sizeof layer->fix, "allow sched_setaffinity");
    if (sched_getaffinity(0, sizeof l->all_cpus, &l->all_cpus) != 0)
        return err_sys(e, "which cores we have");
    l->cpu_count = CPU_COUNT(&l->all_cpus);
    go_first(l);
    snprintf(layer->detail, sizeof layer->detail, "cpu %d of %d%s, %s", l->setup.cpu, l->cpu_count,
             l->cgroup.cores >= 0 ? " by affinity and cpuset" : "",
             l->first ? "first in line" : "in line with programs: limits may act late");
    is_weak(layer, !l->first, "allow real-time priority: root, CAP_SYS_NICE or LimitRTPRIO=1");
    if (l->setup.cpu < 0)
        return true;
    CPU_ZERO(&one);
    CPU_SET((size_t)l->setup.cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        return err_sys(e, "stay on cpu %d", l->setup.cpu);
    return cgroup_cores(&l->cgroup, &one, e);
}

/* Those made by real root are out of reach even for the box's own root. */
static const int early_spaces = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;

static bool build_spaces(struct lane *l, struct layer *layer, struct err *e)
{
    snprintf(layer->detail, sizeof layer->detail, "mount, ipc, uts, network");
    snprintf(layer->fix, sizeof layer->fix,
             "run as root or allow unprivileged user namespaces (and unshare in a container)");
    if (l->real_root && unshare(early_spaces) != 0)
        return err_sys(e, "unshare");
    return true;
}

static bool build_user_space(struct lane *l, struct layer *layer, struct err *e)
{
    snprintf(layer->fix, sizeof layer->fix,
             "sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone or "
             "kernel.apparmor_restrict_unprivileged_userns");
    if (!l->setup.user_ns) {
        snprintf(layer->detail, sizeof layer->detail,
                 "none here: root with few capabilities, users from %u", l->setup.first_uid);
        is_weak(layer, true, "allow user namespaces (sysctl user.max_user_namespaces)");
        return true;
    }
    is_weak(
        layer, l->setup.one_user,
        "run as root, or install newuidmap and give this user ranges in /etc/subuid and subgid");
    if (l->setup.one_user)
        snprintf(layer->detail, sizeof layer->detail,
                 "one user for all runs: this one can map no other");
    else
        snprintf(layer->detail, sizeof layer->detail, "users from %u", l->setup.first_uid);
    if (!identity_enter_user_ns(l, e))
        return false;
    int more = l->real_root ? CLONE_NEWNS : early_spaces;
    if (unshare(more) != 0)
        return err_sys(e, "unshare");
    (void)!sethostname("box", 3); /* an ordinary user's names were the host's until now */
    return true;
}

/* SysV and POSIX queue objects would outlive their run; the filter refuses them as well. */
static bool build_ipc(UNUSED struct lane *l, struct layer *layer, UNUSED struct err *e)
{
    static const char *const limits[][2] = { { "kernel/shmmni", "0" },
                                             { "kernel/msgmni", "0" },
                                             { "kernel/sem", "0 0 0 0" },
                                             { "fs/mqueue/queues_max", "0" } };
    bool all = true;
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        all = write_sysctl(limits[i][0], limits[i][1]) && all;
    snprintf(layer->detail, sizeof layer->detail, "no SysV or queue objects: %s",
             all ? "limits 0 and filter" : "filter");
    (void)!sethostname("box", 3);
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    return true;
}

static bool build_devices(struct lane *l, struct layer *layer, struct err *e)
{
    l->dev_tree = -1;
    bool ok = !l->real_root || root_devices(l, e);
    snprintf(layer->detail, sizeof layer->detail, "null zero full random urandom, %s",
             l->dev_tree >= 0 ? "own nodes"
                              : "the host's nodes: boxes can lock and hear each other there");
    is_weak(layer, l->dev_tree < 0, "run as root with CAP_MKNOD");
    return ok;
}

static bool build_files(struct lane *l, struct layer *layer, struct err *e)
{
    snprintf(layer->fix, sizeof layer->fix,
             "allow mounts for the service (container: CAP_SYS_ADMIN or user namespaces)");
    bool ok = root_build(l, e);
    snprintf(layer->detail, sizeof layer->detail, "read-only root, %s",
             l->overlays > 0 ? "overlays with inodes of their own"
                             : "shared inodes: boxes can hear each other by inotify");
    is_weak(layer, ok && l->overlays == 0, "the kernel needs overlayfs in user namespaces (5.11)");
    return ok;
}

/* Read through the host's /proc, which is still in sight; it stays with our network namespace. */
static bool watch_sockets(struct lane *l, struct err *e)
{
    l->sockets = open("/proc/self/net/sockstat", O_RDONLY | O_CLOEXEC);
    return l->sockets >= 0 || err_sys(e, "/proc/self/net/sockstat");
}

static bool build_init(struct lane *l, struct layer *layer, struct err *e)
{
    snprintf(layer->detail, sizeof layer->detail, "own /proc, other users invisible");
    snprintf(layer->fix, sizeof layer->fix,
             "/proc must be fully visible (container: unmask it, systempaths=unconfined)");
    return watch_sockets(l, e) && init_start(l, e);
}

static bool build_root(struct lane *l, struct layer *layer, struct err *e)
{
    snprintf(layer->detail, sizeof layer->detail, "pivot_root, the host's tree is gone");
    snprintf(layer->fix, sizeof layer->fix, "allow pivot_root (container: seccomp profile)");
    return root_enter(l, e);
}

static bool build_space(struct lane *l, struct layer *layer, struct err *e)
{
    bool ok = tray_build(l, e) && space_mount(l, e);
    snprintf(layer->detail, sizeof layer->detail, "tmpfs of %lld MiB",
             (long long)(l->space.disk_bytes >> 20));
    return ok;
}

/* No further namespaces below this one, whatever the filter says. */
static bool build_nesting(struct lane *l, struct layer *layer, UNUSED struct err *e)
{
    static const char *const kinds[] = {
        "user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"
    };
    int closed = 0;
    for (size_t i = 0; l->setup.user_ns && i < COUNT_OF(kinds); i++) {
        char name[64];
        snprintf(name, sizeof name, "user/max_%s_namespaces", kinds[i]);
        /* The spawner makes one cgroup namespace whenever it is replaced. */
        if (strcmp(kinds[i], "cgroup") != 0)
            closed += write_sysctl(name, "0");
    }
    snprintf(layer->detail, sizeof layer->detail, "filter%s", closed > 0 ? " and limits 0" : "");
    return true;
}

static bool build_spawner(struct lane *l, struct layer *layer, struct err *e)
{
    snprintf(layer->detail, sizeof layer->detail, "no_new_privs, no capabilities, %u instructions",
             l->filter.len);
    snprintf(layer->fix, sizeof layer->fix, "the kernel needs CONFIG_SECCOMP_FILTER");
    if (!identity_trim_lane(e) || !spawner_start(l, e) || !run_ahead(l, e))
        return false;
    return l->cgroup.ops == &cgroup_none || l->idle_processes == 1 ||
           err_set(e, ERR_SYSTEM, "%d processes in a new cgroup", l->idle_processes);
}

struct step {
    const char *layer;
    bool (*build)(struct lane *l, struct layer *layer, struct err *e);
};

/* In this order: cgroup descriptors and device nodes need real root, /proc can only be mounted
 * while the host's is in sight, the filter forbids what the others need. */
static const struct step steps[] = {
    { "cgroup", build_cgroup },         { "core", build_core },
    { "namespaces", build_spaces },     { "shared memory limits", build_ipc },
    { "devices", build_devices },       { "user namespace", build_user_space },
    { "files", build_files },           { "process namespace", build_init },
    { "nested spaces", build_nesting }, { "root", build_root },
    { "writable space", build_space },  { "system call filter", build_spawner },
};

static bool build(struct lane *l, struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct layer *layer = &l->layers.at[l->layers.count++];
        layer->name = steps[i].layer;
        err_reset(e);
        layer->ok = steps[i].build(l, layer, e);
        if (!layer->ok) {
            snprintf(layer->detail, sizeof layer->detail, "%.159s", e->text);
            return err_add(e, "sandbox layer \"%s\"", layer->name);
        }
        if (!layer->weak)
            layer->fix[0] = '\0';
    }
    return true;
}

/* ---- serving ---- */

/*
 * The server often sits on our core: let it have the report before we clear up. Sleeping is what
 * makes the scheduler switch (sched_yield() does not); a plan that is here already ends the sleep.
 * So short a timer costs as much as clearing up: a server that had the next plan at hand is likely
 * to have another, and its throughput counts more than the few microseconds it has to wait.
 */
enum { MOMENT_US = 30, HURRY_US = 200 };

static void let_server_run(struct lane *l)
{
    struct pollfd p = { .fd = l->sock, .events = POLLIN };
    const struct timespec moment = us_to_timespec(MOMENT_US);
    if (!l->hurried)
        ppoll(&p, 1, &moment, NULL);
}

/*
 * Sockets that hold each other, as messages on their way, outlive all processes until the kernel
 * looks for them, which the end of any socket makes it do a little later. Until then the names and
 * locks they carry are there for the next run. There is none in a box where nothing runs.
 */
static bool sockets_gone(const struct lane *l, struct err *e)
{
    enum { PATIENCE_US = 500 * 1000, NAP_US = 200 };
    int64_t end = mono_us() + PATIENCE_US;
    for (;;) {
        int pair[2];
        int64_t used = cgroup_read(l->sockets, "sockets: used");
        if (used == 0)
            return true;
        if (used < 0)
            return err_sys(e, "count the sockets");
        if (mono_us() > end)
            return err_set(e, ERR_SYSTEM, "sockets of the last run do not end");
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0) {
            fd_close(pair[0]);
            fd_close(pair[1]);
        }
        usleep(NAP_US);
    }
}

/* After a run: make the box as it was. Whatever fails here costs the lane, never a verdict. */
static bool settle(struct lane *l, bool keep, struct err *e)
{
    l->kept = keep && !l->broken;
    l->wiped = false;
    if (l->broken)
        return err_set(e, ERR_SYSTEM, "the box cannot be used again");
    if (!sockets_gone(l, e) || (!keep && !space_wipe(l, e)))
        return false;
    l->wiped = !keep;
    if ((l->cgroup.ops->refresh(&l->cgroup) || l->spawner == 0) && !spawner_restart(l, e))
        return false;
    return run_ahead(l, e);
}

static bool serve_plan(struct lane *l, struct wire *in, struct wire *out, struct err *e)
{
    CLEANUP(plan_held_done) struct plan_held held = { .plan = { .exe_fd = -1, .stdin_fd = -1 } };
    CLEANUP(report_done) struct report report = { 0 };
    struct err trouble;
    l->hurried = mono_us() - l->reported_us < HURRY_US;
    int64_t number = wire_get_int(in);
    if (plan_get(in, &held, &trouble) && run_plan(l, &held.plan, number, &report, &trouble)) {
        wire_start(out, WIRE_REPORT);
        wire_put_int(out, number);
        report_put(out, &report);
    } else {
        wire_start(out, WIRE_TROUBLE);
        wire_put_int(out, number);
        wire_put_err(out, &trouble);
        held.plan.keep = false;
    }
    bool keep = held.plan.keep;
    l->reported_us = mono_us();
    if (!wire_send(l->sock, out, e))
        _exit(0); /* the server has gone */
    let_server_run(l);
    return settle(l, keep, e);
}

static bool serve_wipe(struct lane *l, struct wire *out, struct err *e)
{
    bool ok = settle(l, false, e);
    wire_start(out, WIRE_DONE); /* when it is not clean, the next plan gets another lane */
    return wire_send(l->sock, out, e) && ok;
}

/* The box broke after its last report: whoever comes next is told before anything has begun. */
static void turn_away(struct lane *l, struct wire *in, struct wire *out)
{
    struct err e;
    while (wire_receive(l->sock, in, &e) == GOT_ONE) {
        if (in->type == WIRE_CANCEL)
            continue;
        wire_start(out, WIRE_GONE);
        (void)!wire_send(l->sock, out, &e);
        return;
    }
}

NORETURN static void serve(struct lane *l)
{
    struct wire in = { 0 }, out = { 0 };
    struct err e;
    bool ok = true;
    while (ok && wire_receive(l->sock, &in, &e) == GOT_ONE) {
        if (in.type == WIRE_PLAN)
            ok = serve_plan(l, &in, &out, &e);
        else if (in.type == WIRE_WIPE)
            ok = serve_wipe(l, &out, &e);
        else
            ok = in.type == WIRE_CANCEL; /* of a run that is over */
    }
    if (!ok) {
        if (l->init > 0) /* 0 would be our process group: the keeper, the server */
            kill(l->init, SIGKILL);
        turn_away(l, &in, &out);
    }
    /* Init and spawner die with us; the keeper removes the cgroup. */
    _exit(0);
}

static bool share_memory(struct lane *l, struct err *e)
{
    l->shared =
        mmap(NULL, sizeof *l->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (l->shared == MAP_FAILED)
        return err_sys(e, "memory shared with the helpers");
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    l->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (l->signals < 0)
        return err_sys(e, "a descriptor for signals");
    l->ahead = (struct ahead){ -1, { -1, -1 }, { -1, -1 } };
    for (int i = 0; i < EXE_COPIES; i++)
        l->exes[i].fd = -1;
    return true;
}

static bool receive_setup(struct lane *l, struct err *e)
{
    struct wire w = { 0 }; /* lives as long as the lane, which borrows from it */
    if (wire_receive(l->keeper, &w, e) != GOT_ONE || w.type != WIRE_SETUP)
        return err_set(e, ERR_BUG, "no set-up from the keeper");
    if (!setup_get(&w, &l->setup, e))
        return false;
    CLEANUP(fd_close) int filter = wire_take_fd(&w);
    return seccomp_read(filter, &l->filter, e);
}

static bool tell_keeper(struct lane *l, bool ok, const struct err *e)
{
    CLEANUP(wire_done) struct wire w = { 0 };
    struct err lost;
    wire_start(&w, WIRE_BUILT);
    wire_put_int(&w, ok);
    layers_put(&w, &l->layers);
    wire_put_err(&w, e);
    bool sent = wire_send(l->keeper, &w, &lost);
    fd_close(l->keeper);
    return sent;
}

void lane_main(void)
{
    static struct lane lane;
    struct lane *l = &lane;
    struct err e;
    err_reset(&e);
    prctl(PR_SET_NAME, "box-lane");
    prctl(PR_SET_TIMERSLACK, 1000); /* ns: deadlines of runs are meant exactly */
    l->sock = LANE_SOCKET;
    l->keeper = LANE_KEEPER_SOCKET;
    l->self = getpid();
    l->real_root = geteuid() == 0;
    fcntl(l->sock, F_SETFD, FD_CLOEXEC);
    fcntl(l->keeper, F_SETFD, FD_CLOEXEC);
    bool ok = share_memory(l, &e) && receive_setup(l, &e) && build(l, &e);
    /* A change of user cleared it. */
    if (ok && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        ok = err_sys(&e, "die with the keeper");
    if (!tell_keeper(l, ok, &e) || !ok)
        _exit(1);
    l->wiped = true;
    serve(l);
}
