/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: give files to other users, so that the sandbox or the next run cannot remove them
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

int main(void)
{
    write_file("/box/f", "x");
    mkdir("/tmp/d", 0700);
    for (uid_t uid = 0; uid < 70000; uid += uid < 10 ? 1 : 997) {
        if (uid == getuid())
            continue;
        REFUSED(chown("/box/f", uid, (gid_t)-1), EPERM, EINVAL);
        REFUSED(chown("/tmp/d", (uid_t)-1, uid), EPERM, EINVAL);
    }
    REFUSED(chown("/box", 0, 0), EPERM, EINVAL);
    return verdict();
}
