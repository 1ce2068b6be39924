/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: call numbers that this sandbox has never heard of, and known ones with odd bits set,
 *         which a filter may read differently from the kernel
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

/* In a child: killed is as good as refused. */
static bool refused(long number)
{
    int status;

    fflush(stdout);
    if (!fork()) {
        long ret = syscall(number, -1, -1, -1, -1, -1, -1);

        _exit(ret >= 0 || (errno != ENOSYS && errno != EPERM));
    }
    wait(&status);
    return !(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

int main(void)
{
    for (long number = 470; number < 600; number++)
        if (!refused(number))
            escaped("system call %ld", number);
    for (int bit = 9; bit < 32; bit++)
        if (!refused(1l << bit | SYS_getpid))
            escaped("getpid with bit %d set in its number", bit);
    return verdict();
}
