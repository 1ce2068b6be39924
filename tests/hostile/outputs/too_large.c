/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: results above the limits, one of them with nothing but holes
 * collect: *
 * collect_limits: file_kb=64 total_kb=256
 * limits: file_mb=16 memory_mb=64
 * expect: end=exit exit_code=0 collected="small:5:644" files_cut=yes
 */
#include "hostile.h"

int main(void)
{
    static char block[70000];
    int fd = open("large", O_CREAT | O_WRONLY, 0644);

    write(fd, block, sizeof block);
    fd = open("sparse", O_CREAT | O_WRONLY, 0644);
    ftruncate(fd, 16 << 20);
    write_file("small", "real\n");
    return 0;
}
