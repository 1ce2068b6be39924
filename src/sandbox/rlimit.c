/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rlimits: what the cgroup does not count. Soft and hard are the same, so a program cannot raise
 * them; where the hard limit we were given is lower still, that one counts.
 */
#include <errno.h>
#include <sys/resource.h>

#include "sandbox/lane.h"

enum { OPEN_FILES = 512, QUEUED_SIGNALS = 4096 };

static bool set(int what, int64_t value)
{
    rlim_t v = value < 0 ? RLIM_INFINITY : (rlim_t)value;
    struct rlimit both = { v, v }, old;
    if (setrlimit(what, &both) == 0)
        return true;
    if (errno != EPERM || getrlimit(what, &old) != 0)
        return false;
    both.rlim_cur = both.rlim_max = MIN(v, old.rlim_max);
    return setrlimit(what, &both) == 0;
}

bool rlimit_fixed(struct err *e)
{
    if (set(RLIMIT_NOFILE, OPEN_FILES) && set(RLIMIT_CORE, 0) && set(RLIMIT_MEMLOCK, 0) &&
        set(RLIMIT_MSGQUEUE, 0) && set(RLIMIT_SIGPENDING, QUEUED_SIGNALS) && set(RLIMIT_NICE, 0) &&
        set(RLIMIT_RTPRIO, 0))
        return true;
    return err_sys(e, "set rlimits");
}

bool rlimit_run(const struct order *o)
{
    return (o->open_files == 0 || set(RLIMIT_NOFILE, o->open_files)) &&
           set(RLIMIT_FSIZE, o->file_bytes) && set(RLIMIT_STACK, o->stack_bytes) &&
           (o->processes == 0 || set(RLIMIT_NPROC, o->processes)) &&
           (o->cpu_s == 0 || set(RLIMIT_CPU, o->cpu_s)) &&
           (o->memory_bytes == 0 || set(RLIMIT_AS, o->memory_bytes));
}
