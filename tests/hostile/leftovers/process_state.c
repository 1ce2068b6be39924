/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: change everything that a process hands on to the next by exec, in case the next run comes
 *         from the same process: signals, mask, priority, affinity, personality, limits, flags
 * expect: end=exit exit_code=0 out="done\n"
 */
#include <sys/personality.h>
#include <sys/time.h>

#include "hostile.h"

int main(void)
{
    struct rlimit small = { 5, 5 };
    struct itimerval timer = { .it_value = { 1, 0 } };
    sigset_t all;

    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setpriority(PRIO_PROCESS, 0, 19);
    personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC | UNAME26);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    prctl(PR_SET_TIMERSLACK, 1000000000ul, 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    setitimer(ITIMER_REAL, &timer, NULL);
    umask(0777);
    setsid();
    chdir("/");
    for (int i = 0; i < RLIM_NLIMITS; i++)
        setrlimit(i, &small);
    write_file("/proc/self/oom_score_adj", "1000");
    write_file("/proc/self/coredump_filter", "0xff");
    dup2(1, 4);
    write(4, "done\n", 5);
    _exit(0);
}
