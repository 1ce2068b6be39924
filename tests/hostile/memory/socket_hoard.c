/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: keep memory in the queues of sockets that nobody reads
 * expect: end=memory|exit exit_code=0 memory_mb=..68
 * limits: memory_mb=64 processes=20 open_files=256
 * needs: cgroup
 */
#include "hostile.h"

static void fill_sockets(void)
{
    static char block[60000];
    int ends[2], size = 1 << 30;

    while (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) == 0) {
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        while (send(ends[0], block, sizeof block, 0) > 0)
            continue;
    }
}

int main(void)
{
    for (int i = 0; i < 15; i++) {
        if (!fork()) {
            fill_sockets();
            sleep_ms(300);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        continue;
    printf("held\n");
    return 0;
}
