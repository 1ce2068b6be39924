/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: write a file longer than allowed, with SIGXFSZ ignored
 * expect: end=exit exit_code=0 out="held\n"
 * limits: file_mb=1 memory_mb=64
 */
#include "hostile.h"

int main(void)
{
    static char block[1 << 16];
    struct stat s;
    int fd = open("/box/long", O_CREAT | O_RDWR, 0600);

    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 100; i++)
        write(fd, block, sizeof block);
    REFUSED(ftruncate(fd, 1l << 40), EFBIG);
    REFUSED(fallocate(fd, 0, 0, 1l << 40), EFBIG, ENOSPC);
    REFUSED(pwrite(fd, "x", 1, 1l << 40), EFBIG);
    fstat(fd, &s);
    if (s.st_size > 1 << 20)
        escaped("a file of %lld bytes", (long long)s.st_size);
    return verdict();
}
