/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sleeper: 400 ms on the clock, nothing on the CPU
 * expect: end=exit exit_code=0 wall_us=stdout cpu_ms=..10
 */
#include "hostile.h"

int main(void)
{
    int64_t start = now_us(CLOCK_MONOTONIC);

    sleep_ms(400);
    printf("%lld\n", (long long)(now_us(CLOCK_MONOTONIC) - start));
    return 0;
}
