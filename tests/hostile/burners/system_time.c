/* SPDX-License-Identifier: Apache-2.0 */
/*
 * burner: 300 ms, most of it inside the kernel
 * expect: end=exit exit_code=0 cpu_us=stdout
 */
#include "hostile.h"

int main(void)
{
    static char block[1 << 16];
    int64_t start = now_us(CLOCK_THREAD_CPUTIME_ID), used;
    int fd = open("/dev/zero", O_RDONLY);

    do {
        read(fd, block, sizeof block);
        used = now_us(CLOCK_THREAD_CPUTIME_ID) - start;
    } while (used < 300000);
    printf("%lld\n", (long long)used);
    return 0;
}
