/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: put a filter of one's own over the box's: allow all, or fake results, and supervise one's
 *         children by notification. None of it may loosen what is there
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "hostile.h"

static long install(unsigned action, unsigned flags)
{
    struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, action) };
    struct sock_fprog program = { 1, code };

    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

int main(void)
{
    install(SECCOMP_RET_ALLOW, 0);
    install(SECCOMP_RET_LOG, SECCOMP_FILTER_FLAG_LOG);
    FILTERED(unshare(CLONE_NEWUSER));
    FILTERED(syscall(SYS_add_key, NOWHERE, NOWHERE, NOWHERE, 0, -2));
    REFUSED(prctl(PR_SET_SECCOMP, 0, 0, 0, 0), EINVAL, EPERM);
    return verdict();
}
