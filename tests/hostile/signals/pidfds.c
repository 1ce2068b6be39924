/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: descriptors of other processes: open them, signal through them, take files out of them
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 * needs: user
 */
#include "hostile.h"

int main(void)
{
    int pid1 = (int)syscall(SYS_pidfd_open, 1, 0);
    int proc1 = open("/proc/1", O_RDONLY | O_DIRECTORY);

    if (pid1 >= 0) {
        REFUSED(syscall(SYS_pidfd_send_signal, pid1, SIGKILL, NULL, 0), EPERM, ESRCH);
        REFUSED(syscall(438 /* pidfd_getfd */, pid1, 0, 0), EPERM, ENOSYS);
        REFUSED(syscall(440 /* process_madvise */, pid1, NULL, 0, 0, 0), EPERM, ENOSYS);
        REFUSED(syscall(448 /* process_mrelease */, pid1, 0), EPERM, ENOSYS, EINVAL, ESRCH);
        REFUSED(syscall(SYS_setns, pid1, CLONE_NEWNS), EPERM, ENOSYS);
    }
    if (proc1 >= 0)
        REFUSED(syscall(SYS_pidfd_send_signal, proc1, SIGKILL, NULL, 0), EPERM, ESRCH, EBADF);
    return verdict();
}
