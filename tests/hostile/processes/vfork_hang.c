/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: the vfork child never execs, so the parent sleeps where no handler of its own can run
 * expect: end=wall wall_ms=300..340
 * limits: wall_ms=300
 */
#include "hostile.h"

int main(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (!vfork())
        for (;;)
            pause();
    return 0;
}
