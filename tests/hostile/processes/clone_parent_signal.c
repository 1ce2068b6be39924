/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a CLONE_PARENT child asks that SIGKILL be sent to its parent, the sandbox, when it ends
 * expect: end=exit exit_code=0 out="done\n"
 */
#include "hostile.h"

int main(void)
{
    if (!syscall(SYS_clone, CLONE_PARENT | SIGKILL, 0, 0, 0, 0))
        _exit(0);
    if (!syscall(SYS_clone, CLONE_PARENT | SIGSTOP, 0, 0, 0, 0))
        _exit(0);
    sleep_ms(50);
    printf("done\n");
    return 0;
}
