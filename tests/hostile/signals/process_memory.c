/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: read, write and advise the memory of other processes, first one's own child
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <sys/uio.h>

#include "hostile.h"

static int secret = 42;

int main(void)
{
    struct iovec here = { &(int){ 0 }, sizeof(int) }, there = { &secret, sizeof secret };
    pid_t child = fork();
    int pidfd;

    if (!child)
        for (;;)
            pause();
    pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    FILTERED(process_vm_readv(child, &here, 1, &there, 1, 0));
    FILTERED(process_vm_writev(child, &here, 1, &there, 1, 0));
    FILTERED(process_vm_readv(1, &here, 1, &there, 1, 0));
    FILTERED(syscall(SYS_kcmp, child, getpid(), 0, 0, 0));
    FILTERED(syscall(SYS_kcmp, 1, getpid(), 0, 0, 0));
    FILTERED(syscall(SYS_process_madvise, pidfd, &there, 1ul, MADV_COLD, 0));
    FILTERED(syscall(438 /* pidfd_getfd */, pidfd, 0, 0));
    kill(child, SIGKILL);
    return verdict();
}
