/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: the same without ignoring the signal
 * expect: end=signal signal=25
 * limits: file_mb=1 memory_mb=64
 */
#include "hostile.h"

int main(void)
{
    static char block[1 << 16];
    int fd = open("/box/long", O_CREAT | O_RDWR, 0600);

    for (int i = 0; i < 100; i++)
        write(fd, block, sizeof block);
    return 0;
}
