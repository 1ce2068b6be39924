/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: starts and replaces lanes, removes their cgroups, ends with the server.
 *
 * It is the one process that stays privileged, so it does little and believes less: the server may
 * ask for "a lane with this number" and nothing else. What a lane may be (its users, its cgroup,
 * its core) is derived here. A lane is a fresh exec of this program, never a copy of the server.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "sandbox/lane.h"

enum { LANES = 1024, LANES_KEPT = 2048, BUILD_SECONDS = 20 };

/* Users of a lane: seen from the host in a range of its own far above any real account, seen from
 * inside from 65536 up, also different from lane to lane. */
enum { HOST_UIDS = 0x70000000, UIDS_PER_LANE = 65536, FIRST_UID = 65536, RUN_UIDS = 256 };
/* Without user namespaces the users are real ones of the host. */
enum { PLAIN_FIRST_UID = 60000, PLAIN_UIDS = 256, PLAIN_LANES = 20 };

struct kept_lane {
    int number;
    pid_t pid;                /* 0: dead */
    char cgroup[CGROUP_NAME]; /* "" when it is removed */
};

struct keeper_state {
    struct config_held held;
    struct cgroup_tree tree;
    struct err broken; /* why no lane can be built; kind NONE when fine */
    struct layer why;  /* the same, as doctor shows it */
    bool user_ns;
    bool root;            /* else an ordinary user's keeper, */
    struct subids subids; /* who may have some users to give */
    int filter, self;
    int signals;
    cpu_set_t cpus;
    int generation;
    struct kept_lane *lanes;
    size_t lane_count;
};

/* ---- lanes that are over ---- */

static void bury(struct keeper_state *k, struct kept_lane *l)
{
    if (l->pid == 0 && l->cgroup[0] && cgroup_ops_of(k->tree.version)->remove(&k->tree, l->cgroup))
        l->cgroup[0] = '\0';
}

/* A lane whose process is gone may be buried at once, or a little later. */
static bool bury_all(struct keeper_state *k)
{
    bool all = true;
    for (size_t i = 0; i < k->lane_count;) {
        struct kept_lane *l = &k->lanes[i];
        bury(k, l);
        all = all && (l->pid != 0 || !l->cgroup[0]);
        if (l->pid == 0 && !l->cgroup[0])
            *l = k->lanes[--k->lane_count];
        else
            i++;
    }
    return all;
}

static void reap(struct keeper_state *k)
{
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
        for (size_t i = 0; i < k->lane_count; i++)
            if (k->lanes[i].pid == pid)
                k->lanes[i].pid = 0;
}

static void end_lane(struct kept_lane *l)
{
    if (l->pid == 0)
        return;
    kill(l->pid, SIGKILL);
    waitpid(l->pid, NULL, __WALL);
    l->pid = 0;
}

static void end_number(struct keeper_state *k, int number)
{
    for (size_t i = 0; i < k->lane_count; i++)
        if (k->lanes[i].number == number)
            end_lane(&k->lanes[i]);
    bury_all(k);
}

NORETURN static void end_all(struct keeper_state *k)
{
    for (size_t i = 0; i < k->lane_count; i++)
        end_lane(&k->lanes[i]);
    for (int64_t end = mono_us() + 5 * US_PER_S; mono_us() < end; usleep(1000)) {
        reap(k);
        if (bury_all(k) && waitpid(-1, NULL, WNOHANG | __WALL) < 0)
            break;
    }
    cgroup_tree_close(&k->tree);
    _exit(0);
}

/* ---- starting one ---- */

static int nth_cpu(const cpu_set_t *set, int n)
{
    int count = CPU_COUNT(set);
    for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE && count > 0; cpu++)
        if (CPU_ISSET((size_t)cpu, set) && seen++ == n % count)
            return cpu;
    return -1;
}

static uid_t lane_root(const struct keeper_state *k, int number)
{
    if (!k->root)
        return geteuid();
    return k->user_ns ? (uid_t)HOST_UIDS + (uid_t)number * UIDS_PER_LANE : 0;
}

static void choose_users(const struct keeper_state *k, struct lane_setup *s)
{
    s->user_ns = k->user_ns;
    s->one_user = !k->root && !subids_enough(&k->subids, s->lane);
    s->root_uid = lane_root(k, s->lane);
    if (k->user_ns) {
        s->first_uid = (uid_t)(FIRST_UID + s->lane * RUN_UIDS);
        s->uid_count = k->root ? RUN_UIDS : s->one_user ? 1 : SUBIDS_PER_LANE;
    } else {
        s->first_uid = (uid_t)(PLAIN_FIRST_UID + s->lane % PLAIN_LANES * PLAIN_UIDS);
        s->uid_count = PLAIN_UIDS;
    }
}

static struct lane_setup setup_of(struct keeper_state *k, int number)
{
    struct lane_setup s = {
        .lane = number,
        .cpu = nth_cpu(&k->cpus, number + k->held.config.first_core),
        .tree = k->tree,
        .held = k->held,
    };
    choose_users(k, &s);
    snprintf(s.cgroup, sizeof s.cgroup, "lane-%d.%d", number, k->generation++);
    return s;
}

static bool write_proc(pid_t pid, const char *name, const char *text, struct err *e)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return err_sys(e, "write %s", name);
    return true;
}

/* Root maps ranges; an ordinary user may map nobody but himself, and must give up setgroups(),
 * unless somebody does it for him. */
static bool write_maps(const struct keeper_state *k, pid_t pid, const struct lane_setup *s,
                       struct err *e)
{
    char users[96], groups[96];
    if (!k->root && !s->one_user)
        return subids_map(&k->subids, pid, s, e);
    if (s->one_user) {
        snprintf(users, sizeof users, "%u %u 1\n", s->first_uid, geteuid());
        snprintf(groups, sizeof groups, "%u %u 1\n", s->first_uid, getegid());
        if (!write_proc(pid, "setgroups", "deny", e))
            return false;
    } else {
        snprintf(users, sizeof users, "0 %u 1\n%u %u %d\n", s->root_uid, s->first_uid,
                 s->root_uid + 1, s->uid_count);
        snprintf(groups, sizeof groups, "%s", users);
    }
    return write_proc(pid, "uid_map", users, e) && write_proc(pid, "gid_map", groups, e);
}

static void answer_map(const struct keeper_state *k, int sock, pid_t pid,
                       const struct lane_setup *s)
{
    CLEANUP(wire_done) struct wire w = { 0 };
    struct err mapped, lost;
    err_reset(&mapped);
    (void)!write_maps(k, pid, s, &mapped);
    wire_start(&w, WIRE_MAPPED);
    wire_put_err(&w, &mapped);
    (void)!wire_send(sock, &w, &lost);
}

/* What kept the lane from starting, in the words of one that failed to build itself. */
static void tell_failure(int keeper)
{
    CLEANUP(wire_done) struct wire w = { 0 };
    const struct layers none = { .count = 0 };
    struct err e, lost;
    err_sys(&e, "execute evalx-box");
    wire_start(&w, WIRE_BUILT);
    wire_put_int(&w, false);
    layers_put(&w, &none);
    wire_put_err(&w, &e);
    (void)!wire_send(keeper, &w, &lost);
}

NORETURN static void exec_lane(const struct keeper_state *k, int sock, int keeper)
{
    static char name[] = "evalx-box", role[] = "--lane";
    static char *const argv[] = { name, role, NULL };
    static char *const env[] = { NULL };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Out of each other's way first. */
    int a = fcntl(sock, F_DUPFD_CLOEXEC, 10), b = fcntl(keeper, F_DUPFD_CLOEXEC, 10);
    if (a >= 0 && b >= 0 && dup2(a, LANE_SOCKET) >= 0 && dup2(b, LANE_KEEPER_SOCKET) >= 0) {
        close_range(LANE_FDS, ~0U, CLOSE_RANGE_CLOEXEC);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
            syscall(SYS_execveat, k->self, "", argv, env, AT_EMPTY_PATH);
    }
    tell_failure(b >= 0 ? b : keeper);
    _exit(127);
}

/* The lane's side of the conversation while it builds itself; false with the reason. */
static bool build_lane(struct keeper_state *k, int sock, pid_t pid, const struct lane_setup *s,
                       struct layers *layers, struct err *e)
{
    CLEANUP(wire_done) struct wire w = { 0 };
    wire_start(&w, WIRE_SETUP);
    setup_put(&w, s);
    wire_put_fd(&w, k->filter);
    if (!wire_send(sock, &w, e))
        return false;
    for (;;) {
        enum got got = wire_receive(sock, &w, e);
        if (got == GOT_NONE)
            return err_set(e, ERR_SYSTEM, "the lane died while it was built");
        if (got == GOT_FAILED)
            return false;
        if (w.type == WIRE_BUILT)
            break;
        if (w.type == WIRE_MAP)
            answer_map(k, sock, pid, s);
    }
    bool ok = wire_get_int(&w) != 0;
    layers_get(&w, layers);
    wire_get_err(&w, e);
    return ok && wire_ok(&w);
}

/* Two socket pairs: server and lane for plans, keeper and lane while it is built. */
struct links {
    int server, lane; /* the ends of the first */
    int mine, theirs; /* and of the second */
};

static void links_done(struct links *l)
{
    fd_close(l->server);
    fd_close(l->lane);
    fd_close(l->mine);
    fd_close(l->theirs);
}
CLEANUP_FOR_STRUCT(struct links, links_done)

static bool links_open(struct links *l, struct err *e)
{
    const struct timeval patience = { .tv_sec = BUILD_SECONDS };
    const int type = SOCK_SEQPACKET | SOCK_CLOEXEC;
    int plans[2], building[2];
    if (socketpair(AF_UNIX, type, 0, plans) != 0)
        return err_sys(e, "socket pair");
    l->server = plans[0];
    l->lane = plans[1];
    if (socketpair(AF_UNIX, type, 0, building) != 0)
        return err_sys(e, "socket pair");
    l->mine = building[0];
    l->theirs = building[1];
    setsockopt(l->mine, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return true;
}

/* The entry of a lane that is to be: whatever happens from here on, its cgroup will be removed. */
static struct kept_lane *keep_lane(struct keeper_state *k, const struct lane_setup *s)
{
    struct kept_lane *l = &k->lanes[k->lane_count++];
    *l = (struct kept_lane){ .number = s->lane };
    snprintf(l->cgroup, sizeof l->cgroup, "%s", s->cgroup);
    return l;
}

static bool start_lane(struct keeper_state *k, int number, struct layers *layers, int *ret,
                       struct err *e)
{
    CLEANUP(links_done) struct links links = { -1, -1, -1, -1 };
    end_number(k, number);
    struct lane_setup s = setup_of(k, number);
    struct kept_lane *kept = keep_lane(k, &s);
    if (!cgroup_ops_of(k->tree.version)->make(&k->tree, s.cgroup, s.root_uid, e) ||
        !links_open(&links, e))
        return false;
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(e, "fork");
    if (pid == 0)
        exec_lane(k, links.lane, links.theirs);
    kept->pid = pid;
    fd_close(TAKE_FD(links.theirs)); /* else its death would not be seen */
    if (!build_lane(k, links.mine, pid, &s, layers, e)) {
        end_number(k, number);
        return false;
    }
    *ret = TAKE_FD(links.server);
    return true;
}

/* ---- serving ---- */

static bool answer_open(struct keeper_state *k, struct wire *w)
{
    struct err e, lost;
    struct layers layers = { .count = 0 };
    int number = (int)wire_get_range(w, 0, LANES - 1);
    CLEANUP(fd_close) int lane = -1;
    err_reset(&e);
    bool ok = false;
    if (k->broken.kind != ERR_NONE) {
        e = k->broken;
        layers = (struct layers){ .at = { k->why }, .count = 1 };
    } else {
        ok = wire_ok(w) && k->lane_count < LANES_KEPT && start_lane(k, number, &layers, &lane, &e);
    }
    wire_start(w, WIRE_OPENED);
    wire_put_int(w, ok);
    layers_put(w, &layers);
    wire_put_err(w, &e);
    if (ok)
        wire_put_fd(w, lane);
    return wire_send(KEEPER_SOCKET, w, &lost);
}

static bool user_namespaces_work(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

/* What all lanes need: who we are, the filter, the cgroups. In this order, each with its layer. */
static bool prepare_descriptors(struct keeper_state *k, struct err *e)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    k->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    k->self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    return (k->signals >= 0 && k->self >= 0) || err_sys(e, "descriptors of its own");
}

static bool prepare_user(struct keeper_state *k, struct err *e)
{
    k->root = geteuid() == 0;
    k->user_ns = user_namespaces_work();
    if (!k->root && !k->user_ns)
        return err_set(e, ERR_SYSTEM, "not root, and no user namespaces");
    if (!k->root)
        subids_find(&k->subids);
    return identity_trim_keeper(e);
}

static bool prepare_filter(struct keeper_state *k, struct err *e)
{
    return seccomp_build(&k->filter, e);
}

static bool prepare_cgroups(struct keeper_state *k, struct err *e)
{
    return cgroup_tree_open(k->held.config.cgroup, k->held.config.cgroup_root, &k->tree, e);
}

struct preparation {
    const char *layer, *fix;
    bool (*prepare)(struct keeper_state *k, struct err *e);
};

static const struct preparation preparations[] = {
    { "keeper", "look at the kernel's log", prepare_descriptors },
    { "user namespace", "run as root, or allow user namespaces (sysctl user.max_user_namespaces)",
      prepare_user },
    { "system call filter", "the kernel needs CONFIG_SECCOMP_FILTER", prepare_filter },
    { "cgroup",
      "run as root, delegate groups (Delegate=yes, EVALX_CGROUP_ROOT), or set EVALX_CGROUP=none: "
      "weaker limits",
      prepare_cgroups },
};

static void prepare(struct keeper_state *k)
{
    k->lanes = calloc(LANES_KEPT + 1, sizeof *k->lanes);
    CHECK(k->lanes != NULL);
    sched_getaffinity(0, sizeof k->cpus, &k->cpus);
    err_reset(&k->broken);
    for (size_t i = 0; i < COUNT_OF(preparations); i++) {
        const struct preparation *p = &preparations[i];
        if (p->prepare(k, &k->broken))
            continue;
        k->why = (struct layer){ .name = p->layer };
        snprintf(k->why.detail, sizeof k->why.detail, "%.159s", k->broken.text);
        snprintf(k->why.fix, sizeof k->why.fix, "%s", p->fix);
        err_add(&k->broken, "sandbox layer \"%s\"", p->layer);
        return;
    }
}

/* Say who we are; whoever started us must be the same. */
static bool greet(struct wire *w)
{
    struct err e;
    bool same = wire_receive(KEEPER_SOCKET, w, &e) == GOT_ONE && w->type == WIRE_HELLO &&
                strcmp(wire_get_text(w), wire_build_id) == 0;
    wire_start(w, WIRE_HELLO);
    wire_put_text(w, wire_build_id);
    if (wire_send(KEEPER_SOCKET, w, &e) && !same)
        fprintf(stderr,
                "evalx-box is of build %s, the evalx that started it of another: install "
                "both from one build\n",
                wire_build_id);
    return same;
}

static bool receive_config(struct keeper_state *k, struct wire *w)
{
    struct err e;
    return wire_receive(KEEPER_SOCKET, w, &e) == GOT_ONE && w->type == WIRE_CONFIG &&
           config_get(w, &k->held, &e);
}

void keeper_main(void)
{
    static struct keeper_state keeper;
    struct keeper_state *k = &keeper;
    struct wire config = { 0 }, w = { 0 };
    struct err e;
    prctl(PR_SET_NAME, "box-keeper");
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* what lanes leave is ours to reap, whoever is pid 1 here */
    umask(022);
    fcntl(KEEPER_SOCKET, F_SETFD, FD_CLOEXEC);
    if (!greet(&w) || !receive_config(k, &config))
        _exit(1);
    prepare(k);
    struct pollfd fds[] = { { .fd = KEEPER_SOCKET, .events = POLLIN },
                            { .fd = k->signals, .events = POLLIN } };
    for (;;) {
        struct signalfd_siginfo ignored;
        poll(fds, 2, bury_all(k) ? -1 : 20);
        while (read(k->signals, &ignored, sizeof ignored) > 0)
            ;
        reap(k);
        if (!fds[0].revents)
            continue;
        if (wire_receive(KEEPER_SOCKET, &w, &e) != GOT_ONE)
            end_all(k);
        if (w.type == WIRE_OPEN && !answer_open(k, &w))
            end_all(k);
    }
}
