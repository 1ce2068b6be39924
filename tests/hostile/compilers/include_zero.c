/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a source without end
 * run: /usr/bin/gcc -c main.c
 * limits: cpu_ms=3000 wall_ms=30000 memory_mb=128
 * expect: end=memory|cpu|exit exit_code=1|0
 */
#include "/dev/zero"
