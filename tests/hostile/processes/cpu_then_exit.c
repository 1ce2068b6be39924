/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: burn more than the limit in the last moment and exit before anybody looks
 * expect: end=cpu cpu_ms=60..120
 * limits: cpu_ms=50 cpu_extra_ms=500 wall_ms=3000
 */
#include "hostile.h"

int main(void)
{
    burn_ms(60);
    return 0;
}
