/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: be the reaper of one's own orphans, so that they do not go to the box's process 1
 * expect: end=exit exit_code=0 out="done\n" wall_ms=..300
 * limits: wall_ms=3000
 */
#include "hostile.h"

int main(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (!fork()) {
        if (!fork()) {
            setsid();
            for (;;)
                pause();
        }
        _exit(0);
    }
    sleep_ms(20);
    printf("done\n");
    return 0;
}
