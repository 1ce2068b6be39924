/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: endless recursion
 * expect: end=signal signal=11
 * limits: memory_mb=64 stack_mb=8
 */
#include "hostile.h"

static int deeper(int n)
{
    volatile char frame[4096];

    frame[0] = (char)n;
    return deeper(n + 1) + frame[0];
}

int main(void)
{
    return deeper(0);
}
