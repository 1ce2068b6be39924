/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: wait for ever with all signals blocked or ignored
 * expect: end=wall wall_ms=300..340 cpu_ms=..20
 * limits: wall_ms=300
 */
#include "hostile.h"

int main(void)
{
    sigset_t all;

    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (;;)
        pause();
}
