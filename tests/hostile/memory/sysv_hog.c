/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: keep memory in SysV objects, which outlive every process
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "hostile.h"

int main(void)
{
    REFUSED(shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600), ENOSPC, EPERM, ENOSYS);
    REFUSED(msgget(IPC_PRIVATE, IPC_CREAT | 0600), ENOSPC, EPERM, ENOSYS);
    REFUSED(semget(IPC_PRIVATE, 8, IPC_CREAT | 0600), ENOSPC, EPERM, ENOSYS, EINVAL);
    return verdict();
}
