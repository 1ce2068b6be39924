/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave locks on stdin behind, held by a description that outlives all processes for a
 *         while: on its way through a socket that is on its way through itself
 * stdin: the same for everybody
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <sys/file.h>

#include "hostile.h"

static void post(int to, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec byte = { "", 1 };
    struct msghdr m = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    *c = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (sendmsg(to, &m, 0) != 1)
        escaped("cannot send a descriptor: %s", strerror(errno));
}

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
