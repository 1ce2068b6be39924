/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: trace process 1, a child, or ask to be traced: ptrace is a large piece of kernel and the
 *         way to change another program's system calls after the filter has seen them
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <sys/ptrace.h>

#include "hostile.h"

int main(void)
{
    pid_t child = fork();
    int status;

    if (!child)
        for (;;)
            pause();
    FILTERED(ptrace(PTRACE_ATTACH, 1, 0, 0));
    FILTERED(ptrace(PTRACE_SEIZE, child, 0, 0));
    FILTERED(ptrace(PTRACE_ATTACH, child, 0, 0));
    kill(child, SIGKILL);
    if (!fork()) {
        FILTERED(ptrace(PTRACE_TRACEME, 0, 0, 0));
        _exit(breaches);
    }
    while (wait(&status) > 0)
        if (WIFEXITED(status) && WEXITSTATUS(status))
            breaches++;
    return verdict();
}
