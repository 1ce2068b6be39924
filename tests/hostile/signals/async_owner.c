/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: have the kernel send a signal for us: a descriptor whose owner is process 1, or all
 *         processes, raises SIGKILL when it becomes ready
 * expect: end=exit exit_code=0 out="still here\n"
 */
#include "hostile.h"

static void arm(pid_t owner)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return;
    fcntl(ends[0], F_SETOWN, owner);
    fcntl(ends[0], F_SETSIG, SIGKILL);
    fcntl(ends[0], F_SETFL, O_ASYNC);
    write(ends[1], "x", 1);
}

int main(void)
{
    arm(1);
    arm(2);
    arm(3);
    sleep_ms(20);
    printf("still here\n");
    return 0;
}
