/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: the same calls by their x32 numbers, one bit away from the forbidden ones
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

static void try(const char *what, long number, long a, long b, long c)
{
    int status;

    fflush(stdout);
    if (!fork()) {
        long ret = syscall(0x40000000 | number, a, b, c, 0, 0, 0);

        _exit(ret < 0 && (errno == ENOSYS || errno == EPERM) ? 0 : 1);
    }
    wait(&status);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        escaped("%s by its x32 number reached the kernel", what);
}

int main(void)
{
    try("getpid", SYS_getpid, 0, 0, 0);
    try("unshare", SYS_unshare, CLONE_NEWUSER, 0, 0);
    try("ptrace", 521, 0, 0, 0);
    try("keyctl", SYS_keyctl, 0, -3, 0);
    try("mount", SYS_mount, 0, 0, 0);
    try("execve", 520, 0, 0, 0);
    return verdict();
}
