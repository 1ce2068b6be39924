/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: fork as fast as possible, forever, in every process
 * expect: end=cpu wall_ms=..1500 overhead_ms=..50
 * limits: cpu_ms=300 wall_ms=3000 processes=24
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    for (;;)
        fork();
}
