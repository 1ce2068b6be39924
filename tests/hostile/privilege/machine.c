/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: the calls that change the machine: time, name, modules, swap, accounting, power, ports.
 *         They need root anywhere; that the filter answers is seen by the errors: with addresses
 *         that nobody has mapped the kernel's own answer to most of them would be another
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/reboot.h>
#include <sys/timex.h>

#include "hostile.h"

int main(void)
{
    FILTERED(syscall(SYS_settimeofday, NOWHERE, NOWHERE));
    FILTERED(syscall(SYS_clock_settime, CLOCK_REALTIME, NOWHERE));
    FILTERED(syscall(SYS_clock_adjtime, CLOCK_REALTIME, NOWHERE));
    FILTERED(syscall(SYS_adjtimex, NOWHERE));
    FILTERED(syscall(SYS_sethostname, NOWHERE, 4));
    FILTERED(syscall(SYS_setdomainname, NOWHERE, 4));
    FILTERED(syscall(SYS_reboot, 0, 0, 0, NOWHERE));
    FILTERED(syscall(SYS_kexec_load, 0, 0, NOWHERE, 0));
    FILTERED(syscall(SYS_kexec_file_load, -1, -1, 0, NOWHERE, 0));
    FILTERED(syscall(SYS_init_module, NOWHERE, 1, NOWHERE));
    FILTERED(syscall(SYS_finit_module, -1, NOWHERE, 0));
    FILTERED(syscall(SYS_delete_module, NOWHERE, 0));
    FILTERED(syscall(SYS_swapon, NOWHERE, 0));
    FILTERED(syscall(SYS_swapoff, NOWHERE));
    FILTERED(syscall(SYS_acct, NOWHERE));
    FILTERED(syscall(SYS_quotactl, 0, NOWHERE, 0, NOWHERE));
    FILTERED(syscall(443 /* quotactl_fd */, -1, 0, 0, NOWHERE));
    FILTERED(syscall(SYS_syslog, 10, NULL, 0)); /* size of the kernel's log: often open to all */
    FILTERED(syscall(SYS_syslog, 3, NOWHERE, 10));
    FILTERED(syscall(SYS_vhangup));
    if (syncfs(-1) !=
        0) /* answered without asking the kernel, which would flush the host's disks */
        escaped("syncfs: %s", strerror(errno));
    FILTERED(syscall(SYS_iopl, 0));
    FILTERED(syscall(SYS_ioperm, 0x80, 1, 1));
    return verdict();
}
