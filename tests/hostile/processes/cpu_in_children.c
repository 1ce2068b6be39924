/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: burn the CPU time in children, one after the other, each below every limit of its own
 * expect: end=cpu cpu_ms=300..340
 * limits: cpu_ms=300 wall_ms=3000
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    for (;;) {
        if (!fork()) {
            burn_ms(20);
            _exit(0);
        }
        wait(NULL);
    }
}
