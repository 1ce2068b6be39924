/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: burn in children while SIGCHLD is ignored: their time is not in the parent's rusage
 * expect: end=cpu cpu_ms=300..340
 * limits: cpu_ms=300 wall_ms=3000
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        if (!fork()) {
            burn_ms(20);
            _exit(0);
        }
        wait(NULL);
    }
}
