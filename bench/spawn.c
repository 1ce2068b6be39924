/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.c - the bare spawn everything else is compared with: vfork, exec and wait of a program, as
 * quick as the machine can, without any sandbox.
 *
 *   spawn [-n RUNS] [-i STDIN_FILE] PROGRAM [ARG...]            how long one takes
 *   spawn -s SECONDS [-j JOBS] [-i STDIN_FILE] PROGRAM [ARG...]  how many there are in a second
 *
 * Prints one JSON object. glibc's posix_spawn is a clone with CLONE_VFORK, and this process is
 * small, so nothing is copied. The first tenth of the runs warms up and is not counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "figures.h"

extern char **environ;

struct task {
    char **argv;
    const char *stdin_file;
    int64_t runs, seconds, jobs;
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void spawn_once(const struct task *t, const posix_spawn_file_actions_t *actions)
{
    pid_t pid;
    int failed = posix_spawn(&pid, t->argv[0], actions, NULL, t->argv, environ);
    int status;

    if (failed) {
        errno = failed;
        give_up(t->argv[0]);
    }
    if (waitpid(pid, &status, 0) < 0)
        give_up("waitpid");
    if (status) {
        fprintf(stderr, "spawn: %s ended with wait status %d\n", t->argv[0], status);
        exit(1);
    }
}

static void actions_of(const struct task *t, posix_spawn_file_actions_t *ret)
{
    posix_spawn_file_actions_init(ret);
    posix_spawn_file_actions_addopen(ret, 0, t->stdin_file, O_RDONLY, 0);
    posix_spawn_file_actions_addopen(ret, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(ret, 2, "/dev/null", O_WRONLY, 0);
}

static void measure_time(const struct task *t, const posix_spawn_file_actions_t *actions)
{
    struct figures times = { 0 };

    for (int64_t i = -t->runs / 10; i < t->runs; i++) {
        int64_t start = mono_us();
        spawn_once(t, actions);
        if (i >= 0)
            figures_add(&times, mono_us() - start);
    }
    figures_sort(&times);
    printf("{\"runs\":%zu,", times.count);
    figures_print(&times);
    printf("}\n");
    figures_done(&times);
}

/* One job: spawn until the deadline, and send the count up the pipe. */
static _Noreturn void work(const struct task *t, const posix_spawn_file_actions_t *actions,
                           int64_t from, int64_t until, int pipe_fd)
{
    int64_t count = 0;

    while (mono_us() < from)
        spawn_once(t, actions);
    while (mono_us() < until) {
        spawn_once(t, actions);
        count++;
    }
    _exit(write(pipe_fd, &count, sizeof(count)) == sizeof(count) ? 0 : 1);
}

static void measure_rate(const struct task *t, const posix_spawn_file_actions_t *actions)
{
    int64_t from = mono_us() + t->seconds * US_PER_S / 10, total = 0;
    int64_t until = from + t->seconds * US_PER_S;
    int fds[2];

    if (pipe(fds) < 0)
        give_up("pipe");
    for (int64_t i = 0; i < t->jobs; i++) {
        pid_t pid = fork();
        if (pid < 0)
            give_up("fork");
        if (pid == 0)
            work(t, actions, from, until, fds[1]);
    }
    close(fds[1]);
    for (int64_t count; read(fds[0], &count, sizeof(count)) == sizeof(count);)
        total += count;
    close(fds[0]);
    while (wait(NULL) > 0)
        ;
    printf("{\"runs\":%lld,\"per_second\":%.1f}\n", (long long)total,
           (double)total / (double)t->seconds);
}

static int64_t number(const char *text)
{
    int64_t value;

    if (!parse_int(str_of(text), &value) || value <= 0) {
        fprintf(stderr, "spawn: not a positive number: %s\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    struct task t = { .stdin_file = "/dev/null", .runs = 500, .jobs = 1 };
    posix_spawn_file_actions_t actions;

    for (int c; (c = getopt(argc, argv, "+n:s:j:i:")) != -1;) {
        if (c == 'n')
            t.runs = number(optarg);
        else if (c == 's')
            t.seconds = number(optarg);
        else if (c == 'j')
            t.jobs = number(optarg);
        else if (c == 'i')
            t.stdin_file = optarg;
        else
            return 2;
    }
    t.argv = argv + optind;
    if (!t.argv[0]) {
        fprintf(stderr,
                "usage: spawn [-n RUNS | -s SECONDS [-j JOBS]] [-i FILE] PROGRAM [ARG...]\n");
        return 2;
    }

    actions_of(&t, &actions);
    if (t.seconds)
        measure_rate(&t, &actions);
    else
        measure_time(&t, &actions);
    posix_spawn_file_actions_destroy(&actions);
    return 0;
}
