/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: end at once and leave spinning orphans behind
 * expect: end=exit exit_code=0 out="done\n" overhead_ms=..50 wall_ms=..300 cpu_ms=..300
 * limits: cpu_ms=1000 wall_ms=3000
 */
#include "hostile.h"

int main(void)
{
    for (int i = 0; i < 8; i++)
        if (!fork())
            burn_ms(1000000);
    printf("done\n");
    return 0;
}
