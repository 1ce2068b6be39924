/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: the same bytes under many names, to get more out than the limits allow
 * collect: *
 * collect_limits: file_kb=64 total_kb=100 files=10
 * expect: end=exit exit_code=0 collected_bytes=..102400 files_cut=yes
 */
#include "hostile.h"

int main(void)
{
    static char block[50000];
    char name[32];
    int fd = open("a", O_CREAT | O_WRONLY, 0644);

    write(fd, block, sizeof block);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "b%d", i);
        link("a", name);
    }
    return 0;
}
