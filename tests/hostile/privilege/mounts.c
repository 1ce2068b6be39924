/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: the whole mount family, old and new. Every call is given an address that nobody has
 *         mapped, so that EFAULT or EBADF would show that it got past the filter
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <sys/mount.h>

#include "hostile.h"

int main(void)
{
    FILTERED(mount("none", "/tmp", "tmpfs", 0, NULL));
    FILTERED(mount("/", "/tmp", NULL, MS_BIND, NULL));
    FILTERED(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
    FILTERED(syscall(SYS_mount, NOWHERE, NOWHERE, NOWHERE, 0, NOWHERE));
    FILTERED(umount2("/proc", MNT_DETACH));
    FILTERED(syscall(SYS_umount2, NOWHERE, 0));
    FILTERED(chroot("/tmp"));
    FILTERED(chroot(NOWHERE));
    FILTERED(syscall(SYS_pivot_root, NOWHERE, NOWHERE));
    FILTERED(syscall(428 /* open_tree */, -1, NOWHERE, 0));
    FILTERED(syscall(429 /* move_mount */, -1, NOWHERE, -1, NOWHERE, 0));
    FILTERED(syscall(430 /* fsopen */, NOWHERE, 0));
    FILTERED(syscall(431 /* fsconfig */, -1, 0, NOWHERE, NOWHERE, 0));
    FILTERED(syscall(432 /* fsmount */, -1, 0, 0));
    FILTERED(syscall(433 /* fspick */, -1, NOWHERE, 0));
    FILTERED(syscall(442 /* mount_setattr */, -1, NOWHERE, 0, NOWHERE, 0));
    FILTERED(syscall(457 /* statmount */, NOWHERE, NOWHERE, 0, 0));
    FILTERED(syscall(458 /* listmount */, NOWHERE, NOWHERE, 0, 0));
    FILTERED(syscall(467 /* open_tree_attr */, -1, NOWHERE, 0, NOWHERE, 0));
    return verdict();
}
