/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a helper stops and continues the program all the time, so that its exit and its stops are
 *         reported together, and a sandbox that waits with WUNTRACED takes a stop for the end
 * expect: end=exit exit_code=3 out="done\n"
 */
#include "hostile.h"

int main(void)
{
    pid_t self = getpid(), helper = fork();

    if (!helper) {
        for (int i = 0; i < 200; i++) {
            kill(self, SIGSTOP);
            sleep_ms(1);
            kill(self, SIGCONT);
        }
        _exit(0);
    }
    waitpid(helper, NULL, 0);
    printf("done\n");
    return 3;
}
