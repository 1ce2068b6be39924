/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: none. Exactly as many bytes as allowed are no flood
 * expect: end=exit exit_code=0 out_bytes=65536 err_bytes=65536
 * limits: output_kb=64
 */
#include "hostile.h"

int main(void)
{
    static char block[1 << 16];

    memset(block, 'x', sizeof block);
    for (int fd = 1; fd <= 2; fd++)
        for (size_t n = 0; n < sizeof block;)
            n += (size_t)write(fd, block + n, sizeof block - n);
    return 0;
}
