/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: hold as many processes as fork() gives
 * expect: end=exit exit_code=0 out="held\n"
 * limits: processes=10
 */
#include "hostile.h"

int main(void)
{
    int count = 1; /* this one */

    while (count < 1000) {
        pid_t pid = fork();

        if (pid < 0)
            break;
        if (!pid)
            for (;;)
                pause();
        count++;
    }
    if (count != 10)
        escaped("%d processes, 10 were allowed", count);
    return verdict();
}
