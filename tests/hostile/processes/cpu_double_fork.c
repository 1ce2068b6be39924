/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: burn in grandchildren that the program is not the parent of, and sleep meanwhile
 * expect: end=cpu cpu_ms=300..340
 * limits: cpu_ms=300 wall_ms=3000
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    for (;;) {
        if (!fork()) {
            if (!fork()) {
                burn_ms(30);
                _exit(0);
            }
            _exit(0);
        }
        wait(NULL);
        sleep_ms(25);
    }
}
