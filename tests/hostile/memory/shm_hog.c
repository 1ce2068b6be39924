/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: keep memory in /dev/shm, mapped by nobody
 * expect: end=memory|exit exit_code=0 memory_mb=..66
 * limits: memory_mb=48 file_mb=1024
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    static char block[1 << 16];
    int64_t total = 0;
    int fd = open("/dev/shm/hog", O_CREAT | O_RDWR, 0600);
    ssize_t n;

    while ((n = write(fd, block, sizeof block)) > 0)
        total += n;
    if (total > 48 << 20)
        escaped("%lld bytes in /dev/shm", (long long)total);
    return verdict();
}
