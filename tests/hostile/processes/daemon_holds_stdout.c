/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a double-forked daemon in its own session keeps stdout open, so that a reader waits for
 *         the end of the stream as long as it lives
 * expect: end=exit exit_code=0 out="done\n" wall_ms=..300
 * limits: wall_ms=5000
 */
#include "hostile.h"

int main(void)
{
    if (!fork()) {
        setsid();
        if (!fork()) {
            signal(SIGHUP, SIG_IGN);
            signal(SIGTERM, SIG_IGN);
            for (;;)
                pause();
        }
        _exit(0);
    }
    wait(NULL);
    printf("done\n");
    return 0;
}
