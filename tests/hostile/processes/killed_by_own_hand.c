/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: die by SIGKILL of one's own, to look as if a limit had done it
 * expect: end=signal signal=9 out="before\n"
 */
#include "hostile.h"

int main(void)
{
    printf("before\n");
    fflush(stdout);
    raise(SIGKILL);
    return 0;
}
