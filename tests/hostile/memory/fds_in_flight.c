/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: descriptors that are in flight inside sockets count for no process: hoard thousands
 * expect: end=exit exit_code=0 out="held\n"
 * limits: memory_mb=64 open_files=64
 */
#include "hostile.h"

enum { BATCH = 30 };

static bool send_batch(int to, int what)
{
    char control[CMSG_SPACE(BATCH * sizeof(int))] = { 0 }, byte = 0;
    struct iovec io = { &byte, 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control };
    struct cmsghdr *c;

    m.msg_controllen = sizeof control;
    c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(BATCH * sizeof(int));
    for (int i = 0; i < BATCH; i++)
        memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &what, sizeof what);
    return sendmsg(to, &m, MSG_DONTWAIT) > 0;
}

int main(void)
{
    int ends[2], file, flying = 0;

    for (;;) {
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) < 0)
            break;
        file = open("/dev/null", O_RDONLY);
        if (file < 0)
            break;
        while (flying < 100000 && send_batch(ends[0], file))
            flying += BATCH;
        close(file);
    }
    if (flying > 2 * 64)
        escaped("%d descriptors in flight, 64 may be open", flying);
    return verdict();
}
