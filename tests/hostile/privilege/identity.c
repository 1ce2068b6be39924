/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: become somebody else: user, group, saved ids, groups, capabilities, file system ids
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>

#include "hostile.h"

static long take_capabilities(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2] = { { ~0u, ~0u, ~0u }, { ~0u, ~0u, ~0u } };

    return syscall(SYS_capset, &header, data);
}

int main(void)
{
    gid_t groups[64], zero = 0;
    uid_t real, effective, saved;

    REFUSED(setuid(0), EPERM, EINVAL);
    REFUSED(setgid(0), EPERM, EINVAL);
    REFUSED(setresuid(0, 0, 0), EPERM, EINVAL);
    REFUSED(setresgid(0, 0, 0), EPERM, EINVAL);
    REFUSED(setreuid(0, 0), EPERM, EINVAL);
    REFUSED(setuid(getuid() + 1), EPERM, EINVAL);
    REFUSED(setuid(1000), EPERM, EINVAL);
    REFUSED(setgroups(1, &zero), EPERM, EINVAL);
    REFUSED(setgroups(0, NULL), EPERM);
    REFUSED(take_capabilities(), EPERM);
    REFUSED(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0), EPERM);
    REFUSED(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0), EPERM);
    REFUSED(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL, EPERM);
    setfsuid(0);
    if (setfsuid((uid_t)-1) == 0)
        escaped("the file system uid is 0");
    getresuid(&real, &effective, &saved);
    if (!real || !effective || !saved || real != effective || real != saved)
        escaped("uids %u %u %u", real, effective, saved);
    if (getgroups(64, groups) != 0)
        escaped("there are supplementary groups");
    return verdict();
}
