/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I: pid 1 of the box's process namespace, outside its cgroup.
 *
 * It mounts /proc of its namespace into the new root, then sleeps until L asks it to kill: kill(-1)
 * reaches every process of the namespace but itself, atomically against fork, so a fork bomb dies
 * in one stroke. SIGCHLD is ignored, so orphans vanish by themselves; wait4() returning ECHILD says
 * that all children are gone. It is no proof that the box is empty (a CLONE_PARENT sibling is L's
 * child), so L counts. When I dies, the kernel kills the whole namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/lane.h"

bool word_wait(_Atomic uint32_t *word, uint32_t value, int64_t timeout_us)
{
    struct timespec t = us_to_timespec(timeout_us < 0 ? 0 : timeout_us);
    long r = syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_us < 0 ? NULL : &t, NULL, 0);
    return r == 0 || errno != ETIMEDOUT;
}

void word_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void helper_ready(struct helper *h)
{
    atomic_store(&h->state, HELPER_READY);
    word_wake(&h->state);
}

void helper_failed(struct helper *h, const struct err *e)
{
    h->err = *e;
    atomic_store(&h->state, HELPER_FAILED);
    word_wake(&h->state);
    _exit(1);
}

bool helper_wait(struct helper *h, pid_t pid, const char *name, struct err *e)
{
    int64_t end = mono_us() + 10 * US_PER_S;
    while (atomic_load(&h->state) == HELPER_STARTING) {
        if (waitpid(pid, NULL, WNOHANG | __WALL) == pid)
            return err_set(e, ERR_SYSTEM, "the %s died while starting", name);
        if (mono_us() > end)
            return err_set(e, ERR_SYSTEM, "the %s does not start", name);
        word_wait(&h->state, HELPER_STARTING, 100 * US_PER_MS);
    }
    if (atomic_load(&h->state) == HELPER_READY)
        return true;
    *e = h->err;
    return false;
}

static bool mount_proc(struct err *e)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (mount("proc", "proc", "proc", flags, "hidepid=invisible") != 0 &&
        mount("proc", "proc", "proc", flags, "hidepid=2") != 0) /* before 5.8 */
        return err_sys(e, "mount /proc");
    return root_mask_proc("proc", e);
}

static void serve_kills(struct shared *shared)
{
    for (uint32_t done = 0;;) {
        while (atomic_load(&shared->kill) == done)
            word_wait(&shared->kill, done, -1);
        done = atomic_load(&shared->kill);
        kill(-1, SIGKILL);
        while (wait4(-1, NULL, __WALL, NULL) > 0 || errno == EINTR)
            ;
        /* Seen, if only as the zombie of a child that L has to reap. */
        atomic_store(&shared->left, kill(-1, 0) == 0);
        atomic_store(&shared->killed, done);
        word_wake(&shared->killed);
    }
}

/* L died between our birth and our asking to die with it: the pipe it held has no writer left. */
static bool is_orphan(const int alive[2])
{
    struct pollfd p = { .fd = alive[0], .events = POLLIN };
    close(alive[1]);
    return poll(&p, 1, 0) != 0;
}

NORETURN static void init_main(struct lane *l, const int alive[2])
{
    struct err e;
    struct helper *me = &l->shared->init;
    prctl(PR_SET_NAME, "box-init");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        err_sys(&e, "die with the lane");
        helper_failed(me, &e);
    }
    if (is_orphan(alive))
        _exit(1);
    setsid(); /* within a session anybody may send SIGCONT, so programs are in another */
    if (!mount_proc(&e))
        helper_failed(me, &e);
    signal(SIGCHLD, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    helper_ready(me);

    /* L looks us up in /proc for our namespace, which needs us to be dumpable until it has. */
    while (atomic_load(&l->shared->killed) == UINT32_MAX)
        word_wait(&l->shared->killed, UINT32_MAX, -1);
    prctl(PR_SET_DUMPABLE, 0);
    close_range(0, ~0U, 0);
    serve_kills(l->shared);
    _exit(0);
}

bool init_start(struct lane *l, struct err *e)
{
    int alive[2];
    if (pipe2(alive, O_CLOEXEC) != 0)
        return err_sys(e, "pipe");
    atomic_store(&l->shared->killed, UINT32_MAX);
    l->init = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (l->init == 0)
        init_main(l, alive);
    UNUSED CLEANUP(fd_close) int read_end = alive[0];
    UNUSED CLEANUP(fd_close) int write_end = alive[1];
    if (l->init < 0)
        return err_sys(e, "create the process namespace");
    if (!helper_wait(&l->shared->init, l->init, "init", e))
        return false;

    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)l->init);
    l->pid_ns = open(path, O_RDONLY | O_CLOEXEC);
    if (l->pid_ns < 0)
        return err_sys(e, "open %s", path);
    atomic_store(&l->shared->killed, 0);
    word_wake(&l->shared->killed);
    return true;
}

bool lane_kill_all(struct lane *l)
{
    uint32_t number = atomic_fetch_add(&l->shared->kill, 1) + 1;
    word_wake(&l->shared->kill);
    int64_t end = mono_us() + US_PER_S;
    while (l->init > 0) {
        uint32_t seen = atomic_load(&l->shared->killed);
        if (seen == number)
            return true;
        if (mono_us() > end)
            return false;
        if (!word_wait(&l->shared->killed, seen, 20 * US_PER_MS) &&
            waitpid(l->init, NULL, WNOHANG | __WALL) == l->init)
            l->init = 0;
    }
    return false;
}
