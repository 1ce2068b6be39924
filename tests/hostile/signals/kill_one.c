/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: every signal to process 1, to the parent and to whoever has a low number
 * expect: end=exit exit_code=0 out="held\n"
 * needs: user
 */
#include "hostile.h"

int main(void)
{
    if (getppid() != 0)
        escaped("the parent has a number: %d", getppid());
    for (int s = 1; s < NSIG; s++) {
        REFUSED(kill(1, s), EPERM, ESRCH);
        REFUSED(syscall(SYS_tgkill, 1, 1, s), EPERM, ESRCH);
    }
    for (pid_t pid = 2; pid < 70000; pid++)
        if (pid != getpid() && kill(pid, SIGKILL) == 0)
            escaped("process %d could be killed", pid);
    return verdict();
}
