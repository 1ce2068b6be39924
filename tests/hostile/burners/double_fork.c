/* SPDX-License-Identifier: Apache-2.0 */
/*
 * burner: four orphans of 100 ms each; the program only waits for them
 * expect: end=exit exit_code=0 cpu_us=stdout
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    volatile int64_t *used = shared(4 * sizeof *used);
    int64_t total = 0;

    for (int i = 0; i < 4; i++) {
        if (!fork()) {
            if (!fork())
                used[i] = burn_ms(100);
            _exit(0);
        }
        wait(NULL);
    }
    for (int i = 0; i < 4; i++) {
        while (!used[i])
            sleep_ms(5);
        total += used[i];
    }
    sleep_ms(5);
    printf("%lld\n", (long long)total);
    return 0;
}
