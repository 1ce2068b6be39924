/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: make namespaces, above all a user namespace, where one would be root with all
 *         capabilities
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <linux/sched.h>

#include "hostile.h"

static long clone_with(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

    if (!pid)
        _exit(0);
    return pid;
}

static long clone3_with(uint64_t flags)
{
    struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
    long pid = syscall(SYS_clone3, &args, sizeof args);

    if (!pid)
        _exit(0);
    return pid;
}

int main(void)
{
    static const unsigned long kinds[] = { CLONE_NEWUSER,   CLONE_NEWNS,
                                           CLONE_NEWPID,    CLONE_NEWNET,
                                           CLONE_NEWIPC,    CLONE_NEWUTS,
                                           CLONE_NEWCGROUP, CLONE_NEWUSER | CLONE_NEWNS };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        FILTERED(unshare((int)kinds[i]));
        FILTERED(clone_with(kinds[i]));
        FILTERED(clone3_with(kinds[i]));
    }
    FILTERED(unshare(0x80)); /* CLONE_NEWTIME */
    FILTERED(unshare(CLONE_FILES | CLONE_NEWUSER));
    FILTERED(clone_with(0xffffffff00000000ul | CLONE_NEWUSER));
    REFUSED(clone3_with(0), ENOSYS); /* its flags lie in memory, out of the filter's sight */
    return verdict();
}
