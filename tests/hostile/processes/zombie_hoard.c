/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: children that are never waited for fill the process table of the box
 * expect: end=exit exit_code=0 out="held\n"
 * limits: processes=16
 */
#include "hostile.h"

int main(void)
{
    int count = 0;

    while (count < 1000) {
        pid_t pid = fork();

        if (pid < 0)
            break;
        if (!pid)
            _exit(0);
        count++;
    }
    if (count > 15)
        escaped("%d zombies beside the program, 15 were allowed", count);
    return verdict();
}
