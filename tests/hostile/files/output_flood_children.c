/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: children flood stdout and stderr while the program pretends to be done
 * expect: end=output|exit wall_ms=..1000
 * limits: output_kb=64 cpu_ms=2000
 */
#include "hostile.h"

int main(void)
{
    static char block[1 << 16];

    memset(block, 'x', sizeof block);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_IGN);
    for (int i = 0; i < 4; i++)
        if (!fork())
            for (;;)
                write(1 + i % 2, block, sizeof block);
    sleep_ms(100);
    return 0;
}
