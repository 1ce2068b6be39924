/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: more of the machine than others get: priority, real-time classes, other cores
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <linux/ioprio.h>

#include "hostile.h"

int main(void)
{
    struct sched_param param = { 1 }, none = { 0 };
    uint64_t deadline[7] = { 56 | 6ull << 32, 0, 0, 1000000, 2000000, 2000000, 0 };
    cpu_set_t all, mine;

    REFUSED(setpriority(PRIO_PROCESS, 0, -1), EACCES, EPERM);
    REFUSED(setpriority(PRIO_PGRP, 0, -20), EACCES, EPERM);
    REFUSED(setpriority(PRIO_USER, 0, -20), EACCES, EPERM);
    REFUSED(sched_setscheduler(0, SCHED_FIFO, &param), EPERM);
    REFUSED(sched_setscheduler(0, SCHED_RR, &param), EPERM);
    REFUSED(syscall(SYS_sched_setattr, 0, deadline, 0), EPERM, E2BIG, EBUSY);
    REFUSED(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(1, 0)), EPERM, ENOSYS);
    FILTERED(prctl(62 /* PR_SCHED_CORE */, 1 /* create */, 0, 1, 0)); /* idles the sibling thread */
    sched_setscheduler(0, SCHED_IDLE, &none); /* lower is harmless, and must not stay */

    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
    sched_getaffinity(0, sizeof mine, &mine);
    if (CPU_COUNT(&mine) > 1)
        escaped("%d cores, one was given", CPU_COUNT(&mine));
    for (int cpu = 0; cpu < 64; cpu++) {
        CPU_ZERO(&mine);
        CPU_SET(cpu, &mine);
        sched_setaffinity(0, sizeof mine, &mine);
    }
    return verdict();
}
