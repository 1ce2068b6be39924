/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: as many empty files as it gets: every one costs the kernel memory and the wipe time
 * expect: end=exit|memory exit_code=0 memory_mb=..66
 * limits: memory_mb=64 cpu_ms=4000 wall_ms=8000
 */
#include "hostile.h"

int main(void)
{
    char name[64];
    int count = 0;

    for (; count < 200000; count++) {
        int fd;

        snprintf(name, sizeof name, "/box/file-%d", count);
        fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            break;
        close(fd);
    }
    if (count > 100000)
        escaped("%d files", count);
    return verdict();
}
