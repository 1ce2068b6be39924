/* SPDX-License-Identifier: Apache-2.0 */
/*
 * burner: four children of 100 ms each, whose time no parent collects
 * expect: end=exit exit_code=0 cpu_us=stdout
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    int64_t *used = shared(4 * sizeof *used), total = 0;

    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 4; i++) {
        if (!fork()) {
            used[i] = burn_ms(100);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        continue;
    for (int i = 0; i < 4; i++)
        total += used[i];
    printf("%lld\n", (long long)total);
    return 0;
}
