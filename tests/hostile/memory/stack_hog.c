/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: the same with a stack limit above the memory limit
 * expect: end=memory memory_mb=28..34
 * limits: memory_mb=32 stack_mb=256
 * needs: cgroup
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
