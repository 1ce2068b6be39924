/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: change process 1 and its like: limits, priority, affinity, scheduling, memory
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <linux/ioprio.h>

#include "hostile.h"

static void meddle(pid_t pid)
{
    struct rlimit limit = { 0, 0 };
    struct sched_param param = { 0 };
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    REFUSED(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), EPERM, ESRCH);
    REFUSED(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), EPERM, ESRCH);
    REFUSED(setpriority(PRIO_PROCESS, (id_t)pid, 19), EPERM, EACCES, ESRCH);
    REFUSED(sched_setaffinity(pid, sizeof cpus, &cpus), EPERM, ESRCH);
    REFUSED(sched_setscheduler(pid, SCHED_IDLE, &param), EPERM, ESRCH);
    REFUSED(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, IOPRIO_PRIO_VALUE(3, 0)), EPERM,
            ESRCH);
    REFUSED(syscall(SYS_migrate_pages, pid, 0, NULL, NULL), EPERM, ENOSYS);
    REFUSED(syscall(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0), EPERM, ENOSYS);
    REFUSED(setpgid(pid, pid), EPERM, ESRCH, EACCES);
}

int main(void)
{
    meddle(1);
    meddle(2);
    meddle(3);
    return verdict();
}
