/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S: the spawner. It sits in the box's cgroup, has the seccomp filter and no_new_privs installed
 * once and for all, and starts each run.
 *
 * Why a process of its own: writing cgroup.procs in a run may take milliseconds, installing the
 * filter 43 to 179 us; what S clones is born with both. S shares L's descriptors (CLONE_FILES), so
 * nothing has to be passed, and clones with CLONE_PARENT, so the program is L's child: its parent
 * is invisible to it, and L reaps it. The child runs in S's memory until its exec, as with vfork,
 * but S does not wait for that: it would be woken for nothing but going back to sleep. It has no
 * business until the next run, which begins when this child is dead, so the child has stack, errno
 * and shared memory to itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/lane.h"

enum { CHILD_STACK = 64 * 1024, CHILD_EXE = 3 };

static char child_stack[CHILD_STACK] __attribute__((aligned(64)));

NORETURN static void child_stop(struct shared *s, enum child_step step)
{
    s->step_errno = errno;
    s->step = step;
    _exit(127);
}

/* Descriptors 0, 1, 2 are the run's, 3 the program; the rest is closed before the program runs. */
static bool child_stdio(const struct order *o)
{
    if (dup2(o->in, 0) < 0 || dup2(o->out, 1) < 0 || dup2(o->err, 2) < 0)
        return false;
    if (o->exe_fd < 0)
        return close_range(3, ~0U, 0) == 0;
    return dup3(o->exe_fd, CHILD_EXE, O_CLOEXEC) >= 0 && close_range(CHILD_EXE + 1, ~0U, 0) == 0;
}

/*
 * The program before exec, in S's memory. setresuid away from 0 empties all capability sets; the
 * inheritable and ambient ones are empty already.
 */
static int child_main(void *arg)
{
    struct shared *s = arg;
    const struct order *o = &s->order;
    sigset_t none;
    sigemptyset(&none);

    if (!child_stdio(o))
        child_stop(s, CHILD_STDIO);
    if (!rlimit_run(o))
        child_stop(s, CHILD_RLIMIT);
    if (setpgid(0, 0) != 0 || chdir("/box") != 0)
        child_stop(s, CHILD_FOLDER);
    if (syscall(SYS_setresgid, o->uid, o->uid, o->uid) != 0 ||
        syscall(SYS_setresuid, o->uid, o->uid, o->uid) != 0)
        child_stop(s, CHILD_IDENTITY);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (o->exe_fd >= 0)
        syscall(SYS_execveat, CHILD_EXE, "", o->argv, o->env, AT_EMPTY_PATH);
    else
        execve(o->argv[0], o->argv, o->env);
    child_stop(s, CHILD_EXEC);
}

static void start_run(struct shared *s)
{
    s->step = CHILD_FINE;
    atomic_store(&s->failed, 0);
    atomic_store(&s->start_us, mono_us());
    int pid = clone(child_main, child_stack + sizeof child_stack,
                    CLONE_VM | CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, s, &s->pid);
    if (pid < 0) {
        atomic_store(&s->failed, errno);
        kill(getppid(), SIGCHLD); /* L waits for a signal; there is no child to send one */
    }
}

/*
 * What we clone is an ordinary process again. We wait in its line, too, at the head: a program that
 * comes from the real-time line is put behind all others of a busy core (half the runs per second),
 * and nothing of the box runs yet that could keep us from our turn.
 */
static bool keep_first_to_us(struct err *e)
{
    const struct sched_param none = { .sched_priority = 0 };
    if (sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) != 0)
        return err_sys(e, "keep the priority from programs");
    return true;
}

static bool settle_in(struct lane *l, struct err *e)
{
    prctl(PR_SET_NAME, "box-spawner");
    /* Each run is a process group of its own. A session for each would cost 5 us: the kernel makes
     * a scheduling group for every new one. There is no terminal in the box to share. */
    setpgid(0, 0);
    if (!l->cgroup.ops->enter(&l->cgroup, e))
        return false;
    if (unshare(CLONE_NEWCGROUP) != 0)
        return err_sys(e, "cgroup namespace");
    if (setns(l->pid_ns, CLONE_NEWPID) != 0)
        return err_sys(e, "enter the process namespace");
    umask(022);
    prctl(PR_SET_TIMERSLACK, 50000); /* what programs are used to; the lane has less */
    if (!keep_first_to_us(e) || !rlimit_fixed(e) || !identity_trim_spawner(e))
        return false;
    return seccomp_install(&l->filter, e);
}

NORETURN static void spawner_main(struct lane *l)
{
    struct err e;
    struct shared *s = l->shared;
    uint32_t done = atomic_load(&s->go);
    if (!settle_in(l, &e) ||
        (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 && !err_sys(&e, "die with the lane")))
        helper_failed(&s->spawner, &e);
    if (getppid() != l->self)
        _exit(1);
    helper_ready(&s->spawner);
    for (;;) {
        while (atomic_load(&s->go) == done)
            word_wait(&s->go, done, -1);
        done = atomic_load(&s->go);
        start_run(s);
    }
}

bool spawner_start(struct lane *l, struct err *e)
{
    struct cgroup *g = &l->cgroup;
    atomic_store(&l->shared->spawner.state, HELPER_STARTING);
    l->spawner = g->ops->fork(g);
    if (l->spawner < 0)
        return err_sys(e, "start the spawner");
    if (l->spawner == 0)
        spawner_main(l);
    if (!helper_wait(&l->shared->spawner, l->spawner, "spawner", e))
        return false;

    g->own_bytes = 0;
    g->begun = false;
    struct err ignored;
    if (g->ops->begin(g, &ignored))
        g->own_bytes = g->base_bytes;
    l->idle_processes = g->ops->processes(g);
    return true;
}

bool spawner_restart(struct lane *l, struct err *e)
{
    if (l->spawner > 0) {
        kill(l->spawner, SIGKILL);
        waitpid(l->spawner, NULL, __WALL);
    }
    l->spawner = 0;
    /* The last plan's limit may be too small even for the spawner. */
    if (!l->cgroup.ops->roomy(&l->cgroup, e) || !spawner_start(l, e))
        return err_add(e, "replace the spawner");
    return true;
}
