/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run, from plan to report. L's part of it:
 *
 *   prepare   user, files, limits, counters, pipes, the order in shared memory
 *   start     one futex wake; S clones the program
 *   watch     one poll over child signals, stdout, stderr, the server and the next deadline
 *   empty     whatever the program left behind is killed; the box must be as empty as before
 *   measure   counters first, then why it ended: the first reason in the order of report.h
 *   collect   files, now that nobody can change them any more
 *
 * User, pipes and the like are made ahead, after the run before was reported (run_ahead).
 *
 * The pipes' write ends stay open here: the end of a run is the main process's end, not the end of
 * output, and poll() then never reports a hang-up of a program that closed its stdout. Sleeping
 * until min(wall left, CPU left / cores) and reading the counter again makes the CPU limit exact
 * without a tick.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "sandbox/lane.h"
#include "sandbox/remedy.h"
#include "sandbox/still.h"

enum { READ_BYTES = 64 * 1024, LEAST_SLEEP_US = 500, STARVING_BYTES = 8 << 20 };
/* L, I and S, who are the same user as the run where there is only one. */
enum { OWN_PROCESSES = 3 };
/*
 * Most programs end soon and fit their output into the pipe: so long nobody is woken to read it,
 * unless the run before printed more than that. Longer than a tick of most kernels, so that the
 * timer is never the next one to fire: setting the hardware's would cost 9 us, and again to take it
 * back.
 */
enum { EARLY_US = 5000, TALKS_BYTES = 32 * 1024 };
/* Not cloned yet when it is to be stopped: look again then; and how long that may take at most. */
enum { UNBORN_US = 200, PATIENCE_US = 10 * 1000 * 1000 };
enum { WATCH_SIGNALS, WATCH_OUT, WATCH_ERR, WATCH_SERVER, WATCHED };

struct stream {
    int read, write;
    struct buf *to;
    bool cut;
};

struct run {
    struct lane *l;
    const struct plan *plan;
    int64_t number;
    struct stream out, err;
    int in, exe; /* of this run alone; exe is the lane's */

    bool ended;   /* the main process was reaped */
    bool starved; /* for lack of memory it never came to be, or not to its exec */
    int status;
    struct rusage usage;
    int64_t start_us, end_us;
    int64_t cpu_check_us; /* look at the CPU counter then; 0: no CPU limit */
    bool watch_still;     /* the server wants to know when it waits */
    struct still still;

    bool stopped; /* we killed it, for one of these */
    bool cancelled, over_output, over_cpu, over_wall;
};

/* ---- prepare ---- */

static void choose_user(struct lane *l)
{
    if (l->kept)
        return; /* the files of the step before belong to its user */
    l->uid = l->setup.first_uid + (uid_t)(l->run_no % l->setup.uid_count);
    l->run_no++;
}

static bool open_pipe(int ends[2], uid_t uid, struct err *e)
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(e, "pipe");
    /* The program may open /dev/stdout anew, so it must own the pipe. */
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 || fchown(ends[1], uid, uid) != 0)
        return err_sys(e, "pipe");
    return true;
}

static void drop_spent(struct spent *s)
{
    while (s->count > 0)
        fd_close(s->fds[--s->count]);
}

static void drop_pipes(struct ahead *a)
{
    int *const ends[] = { &a->out[0], &a->out[1], &a->err[0], &a->err[1] };
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        fd_close(*ends[i]);
        *ends[i] = -1;
    }
}

bool run_ahead(struct lane *l, struct err *e)
{
    struct ahead *a = &l->ahead;
    drop_spent(&l->spent);
    choose_user(l);
    drop_pipes(a); /* a run that never came to be did not take them; they have an owner */
    if (a->nothing < 0 && (a->nothing = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
        return err_sys(e, "/dev/null");
    return tray_clear(l, e) && l->cgroup.ops->begin(&l->cgroup, e) && space_own(l, e) &&
           open_pipe(a->out, l->uid, e) && open_pipe(a->err, l->uid, e);
}

/* What was made ahead becomes the run's. */
static void take_ahead(struct run *r, struct report *report)
{
    struct ahead *a = &r->l->ahead;
    r->out = (struct stream){ TAKE_FD(a->out[0]), TAKE_FD(a->out[1]), &report->out, false };
    r->err = (struct stream){ TAKE_FD(a->err[0]), TAKE_FD(a->err[1]), &report->err, false };
}

static void run_done(struct run *r)
{
    struct spent *s = &r->l->spent;
    const int fds[] = { r->in, r->out.read, r->out.write, r->err.read, r->err.write };
    drop_spent(s);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        s->fds[s->count++] = fds[i];
}
CLEANUP_FOR_STRUCT(struct run, run_done)

/* Texts of a list into shared memory; the list itself first. NULL when there is no room. */
static char *const *share_texts(const char *const *texts, char **at, const char *end)
{
    size_t count = 0;
    while (texts && texts[count])
        count++;
    char **list = (char **)(((uintptr_t)*at + sizeof(char *) - 1) & ~(sizeof(char *) - 1));
    char *to = (char *)(list + count + 1);
    if (to > end)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(texts[i]) + 1;
        if (len > (size_t)(end - to))
            return NULL;
        list[i] = memcpy(to, texts[i], len);
        to += len;
    }
    list[count] = NULL;
    *at = to;
    return list;
}

static bool write_order(struct run *r, struct err *e)
{
    struct shared *s = r->l->shared;
    const struct plan *p = r->plan;
    char *at = s->strings;
    const char *end = s->strings + sizeof s->strings;
    struct order *o = &s->order;
    const struct box_limits *limits = &p->limits;

    o->argv = share_texts(p->argv, &at, end);
    o->env = o->argv ? share_texts(p->env, &at, end) : NULL;
    if (!o->env)
        return err_set(e, ERR_INVALID, "arguments and environment of more than %d bytes",
                       LANE_STRINGS);
    o->exe_fd = r->exe;
    o->in = r->in;
    o->out = r->out.write;
    o->err = p->merge_stderr ? r->out.write : r->err.write;
    o->uid = r->l->uid;
    o->stack_bytes = limits->stack_bytes;
    o->file_bytes = limits->file_bytes;
    if (r->l->cgroup.ops == &cgroup_none)
        o->processes = limits->processes + (r->l->setup.one_user ? OWN_PROCESSES : 0);
    o->open_files = limits->open_files;
    o->cpu_s = limits->cpu_us ? (limits->cpu_us + limits->cpu_extra_us) / US_PER_S + 2 : 0;
    o->memory_bytes = r->l->cgroup.ops == &cgroup_none ? limits->memory_bytes : 0;
    atomic_store(&s->pid, 0);
    atomic_store(&s->failed, 0);
    return true;
}

static bool set_cores(const struct run *r, bool all, struct err *e)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    if (!r->plan->all_cores || r->l->setup.cpu < 0)
        return true;
    CPU_SET((size_t)r->l->setup.cpu, &one);
    const cpu_set_t *cores = all ? &r->l->all_cpus : &one;
    if (!cgroup_cores(&r->l->cgroup, cores, e))
        return false;
    if (r->l->spawner != 0 && sched_setaffinity(r->l->spawner, sizeof one, cores) != 0)
        return err_sys(e, "set the cores of the run");
    return true;
}

static bool open_inputs(struct run *r, struct err *e)
{
    r->in = r->plan->stdin_fd < 0 ? TAKE_FD(r->l->ahead.nothing) : input_stdin(r->l, r->plan, e);
    if (r->plan->exe_fd >= 0)
        r->exe = input_exe(r->l, r->plan, e);
    return r->in >= 0 && (r->plan->exe_fd < 0 || r->exe >= 0);
}

static bool prepare(struct run *r, struct report *report, struct err *e)
{
    struct lane *l = r->l;
    const struct box_limits *limits = &r->plan->limits;
    struct cgroup *g = &l->cgroup;
    take_ahead(r, report);
    return space_resize(l, limits->disk_bytes, e) && files_put(l, r->plan, e) &&
           open_inputs(r, e) && write_order(r, e) && set_cores(r, true, e) &&
           g->ops->limit(g, limits->memory_bytes, limits->processes + l->idle_processes, e) &&
           g->ops->begin(g, e);
}

/* ---- watch ---- */

/* The spawner has cloned it. */
static bool is_there(const struct run *r)
{
    return atomic_load(&r->l->shared->pid) != 0;
}

/* What is about to be cloned would not be hit: only what was there before has been stopped. */
static void stop(struct run *r)
{
    bool there = is_there(r);
    if (!lane_kill_all(r->l))
        r->l->broken = true;
    r->stopped = there || r->l->broken;
}

/* Take what is there; at limit + 1 bytes the stream is over its limit. */
static void stream_drain(struct run *r, struct stream *s)
{
    const size_t limit = (size_t)r->plan->limits.output_bytes;
    while (!s->cut) {
        size_t want = MIN((size_t)READ_BYTES, limit + 1 - s->to->len);
        char *at = buf_reserve(s->to, want);
        ssize_t got = read(s->read, at, want);
        if (got <= 0)
            return;
        s->to->len += (size_t)got;
        if (s->to->len > limit) {
            s->to->len = limit;
            s->cut = true;
            r->over_output = true;
        }
        s->to->ptr[s->to->len] = '\0';
        if ((size_t)got < want)
            return;
    }
}

/* Reap whoever died; strays are a program's CLONE_PARENT siblings. */
static void reap(struct run *r)
{
    struct lane *l = r->l;
    struct signalfd_siginfo ignored[4];
    while (read(l->signals, ignored, sizeof ignored) == (ssize_t)sizeof ignored)
        ;
    for (;;) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG | __WALL, &usage);
        if (pid <= 0)
            break;
        if (pid == atomic_load(&l->shared->pid)) {
            r->ended = true;
            r->end_us = mono_us();
            r->status = status;
            r->usage = usage;
            break; /* strays are looked for in empty_box() */
        } else if (pid == l->spawner) {
            l->spawner = 0;
        } else if (pid == l->init) {
            l->init = 0;
            l->broken = true;
        }
    }
}

/* The server says cancel, or has gone. */
static void hear(struct run *r)
{
    CLEANUP(wire_done) struct wire w = { 0 };
    struct err e;
    enum got got = wire_receive(r->l->sock, &w, &e);
    if (got != GOT_ONE) {
        r->l->broken = true;
        r->cancelled = true;
    } else if (w.type == WIRE_CANCEL && wire_get_int(&w) == r->number) {
        r->cancelled = true;
    }
}

/* Without cgroups the CPU clock of the main process is what there is: it has no children's time. */
static int64_t cpu_so_far(const struct run *r)
{
    struct timespec t;
    pid_t pid = atomic_load(&r->l->shared->pid);
    if (r->l->cgroup.ops != &cgroup_none)
        return r->l->cgroup.ops->cpu_us(&r->l->cgroup);
    clockid_t clock;
    return pid > 0 && clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0
               ? t.tv_sec * US_PER_S + t.tv_nsec / 1000
               : 0;
}

static int64_t check_cpu(struct run *r, int64_t now)
{
    const struct box_limits *limits = &r->plan->limits;
    int64_t used = cpu_so_far(r);
    int64_t left = limits->cpu_us + limits->cpu_extra_us - used;
    int cores = r->plan->all_cores ? r->l->cpu_count : 1;
    if (left <= 0)
        r->over_cpu = true;
    return now + MAX(left / cores, (int64_t)LEAST_SLEEP_US);
}

/* Does it wait, or compute again? A change is told; a server that has gone is noticed elsewhere. */
static int64_t check_still(struct run *r, int64_t now)
{
    CLEANUP(wire_done) struct wire w = { 0 };
    struct err ignored;
    if (now >= r->still.look_us &&
        still_look(&r->still, now, r->l->cgroup.ops->cpu_us(&r->l->cgroup))) {
        wire_start(&w, WIRE_WAITING);
        wire_put_int(&w, r->number);
        wire_put_int(&w, r->still.waiting);
        (void)!wire_send(r->l->sock, &w, &ignored);
    }
    return r->still.look_us;
}

/* The program's time begins when the spawner clones it, a little after we asked for it. */
static void note_start(struct run *r)
{
    int64_t cloned_us = atomic_load(&r->l->shared->start_us);
    r->start_us = MAX(r->start_us, cloned_us);
}

static bool any_limit(const struct run *r)
{
    return r->cancelled || r->over_output || r->over_cpu || r->over_wall;
}

/* How long poll may sleep; notes the limits that are reached. */
static int64_t check_deadlines(struct run *r)
{
    int64_t now = mono_us();
    note_start(r);
    bool there = is_there(r);
    int64_t wall_end = r->start_us + r->plan->limits.wall_us;
    if (there && now >= wall_end)
        r->over_wall = true;
    if (r->cpu_check_us != 0 && now >= r->cpu_check_us)
        r->cpu_check_us = check_cpu(r, now);
    int64_t next = r->cpu_check_us != 0 ? MIN(r->cpu_check_us, wall_end) : wall_end;
    if (r->watch_still && !r->stopped)
        next = MIN(next, check_still(r, now));
    if (r->stopped)
        return US_PER_S;
    return any_limit(r) ? (int64_t)UNBORN_US : MAX(next - now, there ? 0 : (int64_t)UNBORN_US);
}

/*
 * So little memory that not even the start fits: the kernel refused to clone, or killed the spawner
 * for it. That is the program's limit at work, no trouble of ours.
 */
static bool is_tight(const struct run *r)
{
    const struct cgroup *g = &r->l->cgroup;
    return r->plan->limits.memory_bytes < STARVING_BYTES ||
           g->ops->oom_kills(g, g->ops->peak(g)) > 0;
}

static bool is_starved(const struct run *r)
{
    bool refused = atomic_load(&r->l->shared->failed) == ENOMEM;
    return (refused || (r->l->spawner == 0 && !is_there(r))) && is_tight(r);
}

/*
 * A program that something killed, or that could not be cloned: when init is dead it was the
 * kernel, taking down the process namespace, and says nothing about the program. Init's answer
 * tells.
 */
static bool init_lives(struct run *r, struct err *e)
{
    if (lane_kill_all(r->l))
        return true;
    r->l->broken = true;
    return err_set(e, ERR_SYSTEM, "the box's init died");
}

static void end_starved(struct run *r)
{
    r->ended = true;
    r->starved = true;
    r->status = SIGKILL;
    r->end_us = mono_us();
}

/* The program cannot start any more, or nobody is left to say how it ends. */
static bool is_lost(const struct run *r, struct err *e)
{
    const struct shared *s = r->l->shared;
    if (atomic_load(&s->failed) != 0)
        return !err_sysno(e, atomic_load(&s->failed), "start the program");
    if (r->l->init == 0)
        return !err_set(e, ERR_SYSTEM, "the box's init died");
    if (r->l->spawner == 0 && !is_there(r))
        return !err_set(e, ERR_SYSTEM, "the spawner died");
    if (!is_there(r) && mono_us() > r->start_us + PATIENCE_US)
        return !err_set(e, ERR_SYSTEM, "the spawner does not start the program");
    if (r->stopped && mono_us() > r->start_us + r->plan->limits.wall_us + PATIENCE_US)
        return !err_set(e, ERR_SYSTEM, "the program cannot be killed");
    return false;
}

static bool watch(struct run *r, struct err *e)
{
    struct pollfd fds[WATCHED] = {
        [WATCH_SIGNALS] = { .fd = r->l->signals, .events = POLLIN },
        [WATCH_OUT] = { .fd = r->out.read, .events = POLLIN },
        [WATCH_ERR] = { .fd = r->err.read, .events = POLLIN },
        [WATCH_SERVER] = { .fd = r->l->sock, .events = POLLIN },
    };
    while (!r->ended) {
        int64_t sleep = check_deadlines(r);
        if (any_limit(r) && !r->stopped)
            stop(r);
        if (is_starved(r)) {
            end_starved(r);
            return init_lives(r, e);
        }
        if (is_lost(r, e)) {
            r->l->broken = true;
            return false;
        }
        bool early = !r->l->talks && mono_us() < r->start_us + EARLY_US;
        struct timespec t = us_to_timespec(early ? MIN(sleep, (int64_t)EARLY_US) : sleep);
        fds[WATCH_OUT].fd = early || r->out.cut ? -1 : r->out.read;
        fds[WATCH_ERR].fd = early || r->err.cut ? -1 : r->err.read;
        fds[WATCH_SERVER].fd = r->l->broken ? -1 : r->l->sock;
        if (ppoll(fds, WATCHED, &t, NULL) <= 0)
            continue;
        if (fds[WATCH_OUT].revents)
            stream_drain(r, &r->out);
        if (fds[WATCH_ERR].revents)
            stream_drain(r, &r->err);
        if (fds[WATCH_SERVER].revents)
            hear(r);
        if (fds[WATCH_SIGNALS].revents)
            reap(r);
    }
    bool killed = WIFSIGNALED(r->status) && WTERMSIG(r->status) == SIGKILL;
    return !killed || r->stopped || init_lives(r, e);
}

/* ---- empty ---- */

/* Without cgroups nothing counts: kill until init sees nobody but itself. */
static bool empty_uncounted(struct run *r)
{
    for (int64_t end = mono_us() + 2 * US_PER_S; mono_us() < end; usleep(100)) {
        if (!lane_kill_all(r->l))
            return false;
        if (atomic_load(&r->l->shared->left) == 0)
            return true;
        reap(r);
    }
    return false;
}

/*
 * Everything the run started is dead, the count is what it was. The counter is the proof: a
 * process in the box's process namespace is in its cgroup as well.
 */
static bool empty_box(struct run *r)
{
    struct lane *l = r->l;
    const struct cgroup *g = &l->cgroup;
    int64_t end = mono_us() + 2 * US_PER_S;
    if (g->ops == &cgroup_none)
        return empty_uncounted(r);
    for (;;) {
        int idle = l->spawner ? l->idle_processes : l->idle_processes - 1;
        if (g->ops->processes(g) <= idle)
            return true;
        if (mono_us() > end || !lane_kill_all(l))
            return false;
        reap(r);
        if (g->ops->processes(g) <= idle)
            return true;
        usleep(100);
    }
}

/* ---- measure ---- */

static int64_t rusage_cpu_us(const struct rusage *u)
{
    return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * US_PER_S + u->ru_utime.tv_usec +
           u->ru_stime.tv_usec;
}

static void measure(struct run *r, struct report *report, int64_t *oom_kills)
{
    struct cgroup *g = &r->l->cgroup;
    report->wall_us = r->end_us - r->start_us;
    report->from_rusage = g->ops == &cgroup_none;
    report->cpu_us = report->from_rusage ? rusage_cpu_us(&r->usage) : g->ops->cpu_us(g);
    int64_t peak = g->ops->peak(g);
    report->memory_bytes = MAX((int64_t)r->usage.ru_maxrss * 1024, peak);
    *oom_kills = g->ops->oom_kills(g, peak);
    g->kills_before += *oom_kills;
}

static enum report_end why(const struct run *r, const struct report *report, int64_t oom_kills)
{
    const struct box_limits *limits = &r->plan->limits;
    if (r->cancelled)
        return END_CANCELLED;
    if (oom_kills > 0 || r->starved)
        return END_MEMORY;
    if (r->over_output)
        return END_OUTPUT;
    if (r->over_cpu || (limits->cpu_us > 0 && report->cpu_us > limits->cpu_us))
        return END_CPU;
    if (r->over_wall || report->wall_us > limits->wall_us)
        return END_WALL;
    if (WIFSIGNALED(r->status))
        return END_SIGNAL;
    return r->l->shared->step == CHILD_EXEC ? END_NO_EXEC : END_EXIT;
}

static bool child_failed(const struct shared *s, struct err *e)
{
    static const char *const names[] = { [CHILD_STDIO] = "descriptors",
                                         [CHILD_RLIMIT] = "limits",
                                         [CHILD_FOLDER] = "folder",
                                         [CHILD_IDENTITY] = "user" };
    if (s->step == CHILD_EXEC && is_shortage(s->step_errno))
        return !err_sysno(e, s->step_errno, "execute the program");
    if (s->step == CHILD_FINE || s->step == CHILD_EXEC)
        return false;
    return !err_sysno(e, s->step_errno, "prepare the program's %s", names[s->step]);
}

static void conclude(struct run *r, struct report *report)
{
    int64_t oom_kills;
    measure(r, report, &oom_kills);
    report->end = why(r, report, oom_kills);
    report->signal = WIFSIGNALED(r->status) ? WTERMSIG(r->status) : 0;
    report->exit_code = report->end == END_EXIT ? WEXITSTATUS(r->status) : 0;
    report->exec_errno = report->end == END_NO_EXEC ? r->l->shared->step_errno : 0;
    report->out_cut = r->out.cut;
    report->err_cut = r->err.cut;
}

static void start(struct run *r)
{
    struct shared *s = r->l->shared;
    s->step = CHILD_FINE;
    r->l->cgroup.begun = false;
    atomic_store(&s->start_us, 0);
    r->start_us = mono_us();
    if (r->plan->limits.cpu_us > 0)
        r->cpu_check_us = r->start_us + (r->plan->limits.cpu_us + r->plan->limits.cpu_extra_us) /
                                            (r->plan->all_cores ? r->l->cpu_count : 1);
    r->watch_still = r->plan->report_waiting && r->l->cgroup.ops != &cgroup_none;
    still_start(&r->still, r->start_us);
    atomic_fetch_add(&s->go, 1);
    word_wake(&s->go);
}

/* From the start to what is known of it, nobody left in the box. */
static bool carry_out(struct run *r, struct report *report, struct err *e)
{
    const struct shared *s = r->l->shared;
    around_begin(&r->l->around, &r->l->cgroup);
    start(r);
    if (!watch(r, e))
        return false;
    note_start(r);
    bool no_memory = s->step != CHILD_FINE && s->step_errno == ENOMEM;
    r->starved = r->starved || (no_memory && is_tight(r));
    if (!r->starved && child_failed(s, e))
        return false;
    if (around_refused(&r->l->around, &r->l->cgroup))
        return err_sysno(e, EAGAIN, "the program could not have another process");

    if (!empty_box(r))
        r->l->broken = true; /* measured well, but nobody else may use this box */
    stream_drain(r, &r->out);
    stream_drain(r, &r->err);
    r->l->talks = report->out.len + report->err.len > TALKS_BYTES;
    conclude(r, report);
    return true;
}

bool run_plan(struct lane *l, const struct plan *p, int64_t run_no, struct report *report,
              struct err *e)
{
    int64_t begin_us = mono_us();
    CLEANUP(run_done)
    struct run r = { .l = l,
                     .plan = p,
                     .number = run_no,
                     .in = -1,
                     .exe = -1,
                     .out = { .read = -1, .write = -1 },
                     .err = { .read = -1, .write = -1 } };
    bool ok = prepare(&r, report, e) || err_add(e, "prepare");
    ok = ok && carry_out(&r, report, e);
    struct err ignored;
    if (!set_cores(&r, false, &ignored))
        l->broken = true;
    if (!ok || (!l->broken && !collect_files(l, p, report, e)))
        return false;
    report->overhead_us = mono_us() - begin_us - report->wall_us;
    return true;
}
