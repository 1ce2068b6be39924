/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: programs and counters inside the kernel, and page faults handled by oneself
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <linux/perf_event.h>

#include "hostile.h"

int main(void)
{
    struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
                                    .size = sizeof attr,
                                    .config = PERF_COUNT_SW_TASK_CLOCK,
                                    .exclude_kernel = 1,
                                    .exclude_hv = 1 };

    for (int command = 0; command < 40; command++)
        FILTERED(syscall(SYS_bpf, command, NOWHERE, 4096));
    FILTERED(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
    FILTERED(syscall(SYS_userfaultfd, 1 /* user mode only */));
    FILTERED(syscall(SYS_userfaultfd, 0));
    REFUSED(open("/dev/userfaultfd", O_RDWR), ENOENT, EACCES);
    return verdict();
}
