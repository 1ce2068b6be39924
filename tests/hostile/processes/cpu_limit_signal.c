/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: ignore SIGXCPU and catch everything else, to live on above the CPU limit
 * expect: end=cpu cpu_ms=200..240
 * limits: cpu_ms=200 wall_ms=4000
 */
#include "hostile.h"

static void ignore(int signal)
{
    (void)signal;
}

int main(void)
{
    for (int s = 1; s < NSIG; s++)
        signal(s, ignore);
    signal(SIGXCPU, SIG_IGN);
    burn_ms(1000000);
    return 0;
}
