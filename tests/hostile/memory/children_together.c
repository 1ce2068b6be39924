/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: ten children, each far below the limit, together far above it
 * expect: end=memory memory_mb=60..66
 * limits: memory_mb=64 processes=20
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    for (int i = 0; i < 10; i++) {
        if (!fork()) {
            touch(malloc(16 << 20), 16 << 20);
            sleep_ms(500);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        continue;
    return 0;
}
