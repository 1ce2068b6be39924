/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: write to stderr for ever, one byte at a time, with all signals ignored
 * expect: end=output err_bytes=65536
 * limits: output_kb=64 cpu_ms=4000 wall_ms=8000
 */
#include "hostile.h"

int main(void)
{
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_IGN);
    for (;;)
        write(2, "e", 1);
}
