/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: with CLONE_PARENT a child becomes a sibling, a child of the sandbox itself. One ends at
 *         once with a status of its own, which must not be taken for the program's; one stays.
 * expect: end=exit exit_code=5 out="done\n" wall_ms=..400
 * limits: wall_ms=3000
 */
#include "hostile.h"

static pid_t sibling(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
}

int main(void)
{
    if (!sibling())
        _exit(42);
    if (!sibling()) {
        setsid();
        for (;;)
            pause();
    }
    if (!sibling())
        raise(SIGSEGV);
    sleep_ms(50);
    printf("done\n");
    return 5;
}
