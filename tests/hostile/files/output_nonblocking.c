/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: make stdout non-blocking and packet-wise, grow and shrink it, take its bytes out again by
 *         the reading end that /proc opens
 * expect: end=exit exit_code=0 out_has="end of story\n" wall_ms=..1000
 */
#include "hostile.h"

int main(void)
{
    char took[256];
    int reader = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK);

    fcntl(1, F_SETFL, O_NONBLOCK | O_DIRECT | O_ASYNC);
    fcntl(1, F_SETPIPE_SZ, 1 << 20);
    fcntl(1, F_SETPIPE_SZ, 4096);
    fcntl(1, F_SETOWN, 1);
    fcntl(1, F_SETSIG, SIGKILL);
    write(1, "x", 1);
    if (reader >= 0)
        read(reader, took, sizeof took);
    fcntl(1, F_SETFL, 0);
    sleep_ms(20);
    write(1, "end of story\n", 13);
    return 0;
}
