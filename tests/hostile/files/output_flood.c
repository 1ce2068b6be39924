/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: write to stdout for ever
 * expect: end=output out_bytes=65536 wall_ms=..1000
 * limits: output_kb=64 cpu_ms=2000
 */
#include "hostile.h"

int main(void)
{
    static char block[1 << 16];

    memset(block, 'x', sizeof block);
    for (;;)
        write(1, block, sizeof block);
}
