/* SPDX-License-Identifier: Apache-2.0 */
/*
 * burner: 10 ms, in the order of what starting a program costs
 * expect: end=exit exit_code=0 cpu_us=stdout
 */
#include "hostile.h"

int main(void)
{
    int64_t used = burn_ms(10);

    printf("%lld\n", (long long)used);
    return 0;
}
