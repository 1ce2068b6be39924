/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: SIGKILL to every process that may be signalled
 * expect: end=exit exit_code=0 out="still here\n"
 */
#include "hostile.h"

int main(void)
{
    kill(-1, SIGKILL);
    kill(-1, SIGSTOP);
    printf("still here\n");
    return 0;
}
