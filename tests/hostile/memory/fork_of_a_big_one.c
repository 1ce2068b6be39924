/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: none. Ten children of a 40 MB process share its pages: the limit must not count them
 *         eleven times, as a sum of resident sizes would
 * expect: end=exit exit_code=0 out="fine\n" memory_mb=40..46
 * limits: memory_mb=64 processes=20
 */
#include "hostile.h"

int main(void)
{
    touch(malloc(40 << 20), 40 << 20);
    for (int i = 0; i < 10; i++) {
        if (!fork()) {
            sleep_ms(50);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        continue;
    printf("fine\n");
    return 0;
}
