/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave locks on stdin behind, held by a description that outlives all processes for a
 *         while: on its way through a socket that is on its way through itself
 * stdin: the same for everybody
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <sys/file.h>

#include "hostile.h"

int main(void)
{
    struct flock asked = { .l_type = F_WRLCK }, lock = { .l_type = F_RDLCK };
    int ends[2];

    if (flock(0, LOCK_EX | LOCK_NB) != 0)
        escaped("stdin is locked by an earlier run");
    flock(0, LOCK_UN);
    if (fcntl(0, F_OFD_GETLK, &asked) == 0 && asked.l_type != F_UNLCK)
        escaped("stdin has a record lock of an earlier run");

    for (int i = 0; i < 20; i++) {
        int fd = open("/proc/self/fd/0", O_RDONLY);

        if (fd < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
            break;
        if (i == 0)
            flock(fd, LOCK_EX | LOCK_NB);
        fcntl(fd, F_OFD_SETLK, &lock);
        post(ends[0], fd);
        post(ends[0], ends[1]);
        post(ends[1], ends[0]);
        close(fd);
        close(ends[0]);
        close(ends[1]);
    }
    return verdict();
}
