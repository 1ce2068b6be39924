/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: one byte more than allowed, written together with the end of the program
 * expect: end=output out_bytes=65536
 * limits: output_kb=64
 */
#include "hostile.h"

int main(void)
{
    static char block[(1 << 16) + 1];

    memset(block, 'x', sizeof block);
    for (size_t n = 0; n < sizeof block;)
        n += (size_t)write(1, block + n, sizeof block - n);
    return 0;
}
