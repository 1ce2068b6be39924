/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: change the open descriptions behind stdin (/dev/null here), stdout and stderr: flags,
 *         owner, signal, locks, hints. They are the sandbox's, and the next run may get the same
 * expect: end=exit exit_code=0 out="done\n"
 */
#include <sys/file.h>

#include "hostile.h"

int main(void)
{
    uint64_t hint = 5; /* RWH_WRITE_LIFE_EXTREME */

    for (int fd = 0; fd < 3; fd++) {
        if (fd == 1)
            continue; /* the last: we still have to write to it */
        fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC | O_APPEND | O_NOATIME);
        fcntl(fd, F_SETOWN, getpid());
        fcntl(fd, F_SETSIG, SIGKILL);
        fcntl(fd, F_SETPIPE_SZ, 4096);
        fcntl(fd, F_SET_RW_HINT, &hint);
        flock(fd, LOCK_EX | LOCK_NB);
        lseek(fd, 77, SEEK_SET);
    }
    write(1, "done\n", 5);
    fcntl(1, F_SETFL, O_NONBLOCK);
    return 0;
}
