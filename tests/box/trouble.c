/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trouble - run a command whose system calls fail when a file says so.
 *
 *   trouble RULES COMMAND [ARGUMENT...]
 *   trouble --calls                          which can fail
 *
 * RULES is a file, read again at every call, so a test begins and ends trouble while the command
 * runs. Each line names whom, which call, what happens to it, and perhaps how often:
 *
 *   box-lane memfd_create 23          ENFILE, always; a process is told by its name, as in ps
 *   box-spawner clone delay=200       goes through 200 ms later
 *   box-* openat 24 1/10              one of ten, by chance; '*' ends a prefix; a call may be '*'
 *
 * How: a filter that the command and all it starts inherit sends the calls of calls[] to a process
 * beside them (not their parent nor child, so that the command's family is as ever), which lets
 * them through or answers in the kernel's place. It ends when all of them have.
 *
 * Source: seccomp_unotify(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const calls[] = {
    "memfd_create",
    "ftruncate",
    "sendfile",
    "pwrite64",
    "pipe2",
    "socketpair",
    "signalfd4",
    "dup2",
    "dup3",
    "fcntl",
    "close_range",
    "openat",
    "openat2",
    "open_tree",
    "move_mount",
    "mount",
    "umount2",
    "pivot_root",
    "mkdir",
    "mkdirat",
    "mknodat",
    "fchmodat",
    "fchmod",
    "fchown",
    "chdir",
    "unlinkat",
    "futimens",
    "utimensat",
    "fstatfs",
    "statfs",
    "clone",
    "fork",
    "vfork",
    "unshare",
    "setns",
    "execve",
    "execveat",
    "setpgid",
    "setsid",
    "setresuid",
    "setresgid",
    "setgroups",
    "setrlimit",
    "prlimit64",
    "capset",
    "prctl",
    "seccomp",
    "keyctl",
    "sched_setaffinity",
    "sched_setscheduler",
    "rmdir",
};

enum { CALLS = sizeof calls / sizeof *calls, LATER_MAX = 256, RULES_BYTES = 4096 };

/* A call that goes through at its time. */
struct later {
    uint64_t id;
    int64_t at_ms;
};

struct beside {
    int listener;
    const char *rules;
    int numbers[CALLS];
    struct later later[LATER_MAX];
    int later_count;
};

static void die(const char *what)
{
    fprintf(stderr, "trouble: %s: %s\n", what, strerror(errno));
    exit(125);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the process beside ---- */

static void name_of(uint32_t pid, char name[32])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/comm", pid);
    name[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, name, 31) : 0;
    if (fd >= 0)
        close(fd);
    name[len > 0 ? len - 1 : 0] = '\0';
}

static const char *call_of(const struct beside *b, int number)
{
    for (int i = 0; i < CALLS; i++)
        if (b->numbers[i] == number)
            return calls[i];
    return "";
}

static bool by_chance(const char *odds)
{
    int n = 1;
    return sscanf(odds, "1/%d", &n) != 1 || random() % n == 0;
}

/* What the first rule that is about this call says, into what; false: none is. */
static bool rule_for(const struct beside *b, const char *name, const char *call, char what[32])
{
    char text[RULES_BYTES], *rest = text;
    int fd = open(b->rules, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    for (char *line; (line = strsep(&rest, "\n"));) {
        char who[32], which[32], odds[32] = "";
        if (sscanf(line, "%31s %31s %31s %31s", who, which, what, odds) >= 3 &&
            fnmatch(who, name, 0) == 0 && fnmatch(which, call, 0) == 0 && by_chance(odds))
            return true;
    }
    return false;
}

/* A process that died meanwhile has no use for its answer. */
static void reply(const struct beside *b, uint64_t id, int error)
{
    struct seccomp_notif_resp answer = { .id = id, .error = -error };
    if (error == 0)
        answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    (void)!ioctl(b->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static void take_one(struct beside *b)
{
    struct seccomp_notif call = { 0 };
    char name[32], what[32];
    if (ioctl(b->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
        return;
    name_of(call.pid, name);
    int delay_ms = 0, error = 0;
    if (rule_for(b, name, call_of(b, call.data.nr), what) &&
        sscanf(what, "delay=%d", &delay_ms) != 1)
        (void)!sscanf(what, "%d", &error);
    if (delay_ms > 0 && b->later_count < LATER_MAX)
        b->later[b->later_count++] = (struct later){ call.id, now_ms() + delay_ms };
    else
        reply(b, call.id, error);
}

/* Milliseconds until the next is due; -1: none waits. */
static int let_through(struct beside *b)
{
    int64_t now = now_ms(), next = -1;
    for (int i = 0; i < b->later_count;) {
        int64_t left = b->later[i].at_ms - now;
        if (left <= 0) {
            reply(b, b->later[i].id, 0);
            b->later[i] = b->later[--b->later_count];
            continue;
        }
        next = next < 0 || left < next ? left : next;
        i++;
    }
    return (int)next;
}

static void serve(struct beside *b)
{
    struct pollfd p = { .fd = b->listener, .events = POLLIN };
    for (;;) {
        int ready = poll(&p, 1, let_through(b));
        if (ready > 0 && (p.revents & POLLIN))
            take_one(b);
        else if (ready > 0)
            return; /* nobody is left who could call */
    }
}

/* ---- start ---- */

static int install(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        die("filter");
    seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, geteuid() != 0);
    for (int i = 0; i < CALLS; i++) {
        int number = seccomp_syscall_resolve_name(calls[i]);
        if (number >= 0 && seccomp_rule_add(filter, SCMP_ACT_NOTIFY, number, 0) != 0)
            die(calls[i]);
    }
    errno = -seccomp_load(filter);
    if (errno != 0)
        die("install the filter");
    return seccomp_notify_fd(filter);
}

/* Reads the listener's number from its twin, takes a copy of it, and says so. */
static void become_beside(pid_t twin, int in, int out, const char *rules)
{
    struct beside b = { .rules = rules };
    int number;
    for (int i = 0; i < CALLS; i++)
        b.numbers[i] = seccomp_syscall_resolve_name(calls[i]);
    if (read(in, &number, sizeof number) != sizeof number)
        _exit(0);
    int twin_fd = (int)syscall(SYS_pidfd_open, twin, 0);
    b.listener = (int)syscall(SYS_pidfd_getfd, twin_fd, number, 0);
    if (b.listener < 0)
        die("take the listener");
    srandom(1);
    if (write(out, "", 1) != 1)
        _exit(0);
    /* Whoever waits for the command's output to end does not wait for us. */
    int nothing = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(nothing, fd);
    for (int fd = 3; fd < 256; fd++)
        if (fd != b.listener)
            close(fd);
    serve(&b);
    _exit(0);
}

static void start_beside(int to[2], int from[2], const char *rules)
{
    pid_t twin = getpid(), child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        if (fork() != 0)
            _exit(0);
        setsid(); /* what ends the command's group is not for us */
        close(to[1]);
        become_beside(twin, to[0], from[1], rules);
    }
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    int to[2], from[2];
    char done;
    if (argc == 2 && strcmp(argv[1], "--calls") == 0) {
        for (int i = 0; i < CALLS; i++)
            puts(calls[i]);
        return 0;
    }
    if (argc < 3) {
        fprintf(stderr, "usage: trouble RULES COMMAND [ARGUMENT...]\n");
        return 125;
    }
    if (pipe(to) != 0 || pipe(from) != 0)
        die("pipe");
    start_beside(to, from, argv[1]);
    close(to[0]);
    close(from[1]);
    int listener = install();
    if (write(to[1], &listener, sizeof listener) != sizeof listener || read(from[0], &done, 1) != 1)
        die("the process beside");
    close(to[1]);
    close(from[0]);
    close(listener);
    execvp(argv[2], argv + 2);
    die(argv[2]);
}
