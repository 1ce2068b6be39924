/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: fill /box, then /tmp, to the last byte and leave it so
 * expect: end=exit exit_code=0 out="held\n"
 * limits: memory_mb=256 disk_mb=16 file_mb=4
 */
#include "hostile.h"

static int64_t fill(const char *folder)
{
    static char block[1 << 16];
    char name[64];
    int64_t total = 0;

    for (int i = 0; i < 1000; i++) {
        int fd;
        ssize_t n;

        snprintf(name, sizeof name, "%s/fill%d", folder, i);
        fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            break;
        for (int64_t size = 0; size < 3 << 20 && (n = write(fd, block, sizeof block)) > 0;)
            size += n, total += n;
        close(fd);
        if (total > 1 << 30)
            break;
    }
    return total;
}

int main(void)
{
    int64_t box = fill("/box"), tmp = fill("/tmp"), shm = fill("/dev/shm");

    if (box + tmp + shm > 17 << 20)
        escaped("%lld bytes, 16 MB were allowed", (long long)(box + tmp + shm));
    if (box < 8 << 20)
        printf("ODD: only %lld bytes in /box\n", (long long)box), breaches++;
    return verdict();
}
