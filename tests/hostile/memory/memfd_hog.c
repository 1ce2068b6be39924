/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: keep memory in memory files, which no disk limit sees
 * expect: end=memory|exit exit_code=0 memory_mb=..66
 * limits: memory_mb=48 file_mb=1024
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    static char block[1 << 16];
    int64_t total = 0;
    int fd = memfd_create("hog", 0);
    ssize_t n;

    if (fd < 0)
        return verdict();
    while ((n = write(fd, block, sizeof block)) > 0)
        total += n;
    if (total > 48 << 20)
        escaped("%lld bytes in a memory file", (long long)total);
    return verdict();
}
