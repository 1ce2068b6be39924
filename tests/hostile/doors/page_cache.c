/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: ask which pages of the system's files are in memory: that tells which programs others ran
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

int main(void)
{
    uint64_t range[2] = { 0, 1 << 20 }, stat[5] = { 0 };
    unsigned char pages[256];
    int fd = open("/usr/bin/env", O_RDONLY), out = 0;
    void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    FILTERED(syscall(451 /* cachestat */, fd, range, stat, 0));
    /* To those who may not write to a file mincore() says that all of it is there. */
    for (int i = 0; p != MAP_FAILED && i < 1; i++)
        if (mincore(p, 4096, pages) == 0 && !(pages[0] & 1))
            out++;
    if (out)
        escaped("mincore() tells what is in memory");
    return verdict();
}
