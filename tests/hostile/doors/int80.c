/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: enter the kernel as a 32 bit program does: other call numbers, for which a filter written
 *         for 64 bit means something else. 359 is socket(), 120 clone() there
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

static long int80(long number, long a, long b, long c)
{
    long ret;

    __asm__ volatile("int $0x80"
                     : "=a"(ret)
                     : "0"(number), "b"(a), "c"(b), "d"(c)
                     : "memory", "r8", "r9", "r10", "r11");
    return ret;
}

/* In a child: killed is as good as refused. */
static void try(const char *what, long number, long a, long b, long c)
{
    int status;

    fflush(stdout);
    if (!fork()) {
        long ret = int80(number, a, b, c);

        _exit(ret == -ENOSYS || ret == -EPERM ? 0 : 1);
    }
    wait(&status);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        escaped("%s by int 0x80 reached the kernel", what);
}

int main(void)
{
    try("getpid", 20, 0, 0, 0);
    try("unshare", 310, CLONE_NEWUSER, 0, 0);
    try("clone", 120, CLONE_NEWUSER | SIGCHLD, 0, 0);
    try("socket", 359, 40, SOCK_STREAM, 0);
    try("keyctl", 288, 0, -3, 0);
    try("ptrace", 26, 0, 0, 0);
    return verdict();
}
