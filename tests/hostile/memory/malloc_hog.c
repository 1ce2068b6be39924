/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: take and touch memory for ever
 * expect: end=memory memory_mb=60..66
 * limits: memory_mb=64
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    for (;;) {
        char *p = malloc(1 << 20);

        if (p)
            touch(p, 1 << 20);
    }
}
