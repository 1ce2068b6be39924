/* SPDX-License-Identifier: Apache-2.0 */
/*
 * burner: 400 ms in one thread. Prints what it burned by its own clock
 * expect: end=exit exit_code=0 cpu_us=stdout
 */
#include "hostile.h"

int main(void)
{
    int64_t used = burn_ms(400);

    printf("%lld\n", (long long)used);
    return 0;
}
