/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process 1 does nothing but its duty, and evalx is its child: so neither has to know which of the
 * processes that end is whose. A signal with no handler is ignored by process 1, so each that means
 * something is taken by sigwaitinfo() and passed on.
 */
#include "main/first.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"

static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };

/* Everybody who ended; the status a shell would say once it is the child, else -1. */
static int reap(pid_t child)
{
    int status, result = -1;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == child)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
}

/* When process 1 ends the kernel ends all others. */
NORETURN static void serve(pid_t child, const sigset_t *signals)
{
    for (;;) {
        int number = sigwaitinfo(signals, NULL);
        if (number == SIGCHLD) {
            int result = reap(child);
            if (result >= 0)
                _exit(result);
        } else if (number > 0) {
            kill(child, number);
        }
    }
}

void first_process(void)
{
    sigset_t signals, before;
    if (getpid() != 1)
        return;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (size_t i = 0; i < COUNT_OF(passed_on); i++)
        sigaddset(&signals, passed_on[i]);
    sigprocmask(SIG_BLOCK, &signals, &before);
    pid_t child = fork();
    if (child < 0)
        perror("evalx: fork");
    if (child > 0) {
        prctl(PR_SET_NAME, "evalx-first");
        serve(child, &signals);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}
