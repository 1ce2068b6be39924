/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: let a child die of the memory limit and exit with 0 as if nothing had been
 * expect: end=memory exit_code=0 memory_mb=60..66
 * limits: memory_mb=64
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    for (int i = 0; i < 3; i++) {
        if (!fork()) {
            touch(malloc(100 << 20), 100 << 20);
            _exit(0);
        }
        wait(NULL);
    }
    printf("fine\n");
    return 0;
}
