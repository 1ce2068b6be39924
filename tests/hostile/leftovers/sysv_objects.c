/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave SysV objects with known keys: they live without any process
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "hostile.h"

int main(void)
{
    REFUSED(shmget(0x4841434b, 4096, IPC_CREAT | 0666), ENOSPC, EPERM, ENOSYS);
    REFUSED(msgget(0x4841434b, IPC_CREAT | 0666), ENOSPC, EPERM, ENOSYS);
    REFUSED(semget(0x4841434b, 1, IPC_CREAT | 0666), ENOSPC, EPERM, ENOSYS, EINVAL);
    for (int id = 0; id < 64; id++) {
        struct shmid_ds shm;

        if (shmctl(id, SHM_STAT_ANY, &shm) >= 0)
            escaped("there is a shared memory segment");
    }
    return verdict();
}
