/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: keep memory in full pipes, which belongs to no address space
 * expect: end=memory|exit exit_code=0 memory_mb=..68
 * limits: memory_mb=64 processes=20 open_files=256
 */
#include "hostile.h"

static void fill_pipes(void)
{
    static char block[4096];
    int ends[2];

    while (pipe2(ends, O_NONBLOCK) == 0) {
        fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
        while (write(ends[1], block, sizeof block) > 0)
            continue;
    }
}

int main(void)
{
    for (int i = 0; i < 15; i++) {
        if (!fork()) {
            fill_pipes();
            sleep_ms(300);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        continue;
    printf("held\n");
    return 0;
}
