/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: close stdout and stderr and go on: whoever takes the end of output for the end of the
 *         program stops measuring, or stops limiting
 * expect: end=wall wall_ms=300..340 out="said\n"
 * limits: wall_ms=300
 */
#include "hostile.h"

int main(void)
{
    write(1, "said\n", 5);
    for (int fd = 0; fd < 64; fd++)
        close(fd);
    for (;;)
        pause();
}
