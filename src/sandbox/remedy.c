/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/remedy.h"

#include <errno.h>
#include <stddef.h>

#include "base/attr.h"

static const struct {
    int sys;
    const char *remedy;
} remedies[] = {
    { EMFILE, "raise the limit of open files (systemd: LimitNOFILE=, shell: ulimit -n)" },
    { ENFILE, "raise the machine's limit of open files (sysctl fs.file-max)" },
    { EAGAIN, "raise the limit of processes (systemd: TasksMax=, container: --pids-limit)" },
    { ENOMEM, "free memory, or raise the memory limit of the service" },
    { ENOSPC, "make room on the disk, or raise the kernel's limit (sysctl user.max_*)" },
    { EIO, "look at the kernel's log: a disk may be failing" },
};

const char *remedy_of(int sys)
{
    for (size_t i = 0; i < COUNT_OF(remedies); i++)
        if (remedies[i].sys == sys)
            return remedies[i].remedy;
    return NULL;
}

bool is_shortage(int sys)
{
    return remedy_of(sys) != NULL;
}
