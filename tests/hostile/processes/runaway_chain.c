/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a chain of processes, each forks the next and dies, so that a killer that goes through a
 *         list of processes always comes too late
 * expect: end=exit exit_code=0 out="done\n" overhead_ms=..50 wall_ms=..500
 * limits: cpu_ms=1000 wall_ms=3000 processes=40
 */
#include "hostile.h"

static void run_away(void)
{
    setsid();
    for (;;)
        if (fork() > 0)
            _exit(0);
}

int main(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 6; i++)
        if (!fork())
            run_away();
    sleep_ms(30);
    printf("done\n");
    return 0;
}
