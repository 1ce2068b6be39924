/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: siblings by CLONE_PARENT that end at once, as many as can be made: each is a child that
 *         the sandbox has to reap, on time that is not the program's
 * expect: end=cpu|memory cpu_ms=..340 wall_ms=..2000
 * limits: cpu_ms=300 wall_ms=4000 processes=24
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    for (;;)
        if (!syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0))
            _exit(0);
}
