/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a source that includes itself
 * run: /usr/bin/gcc -c main.c
 * limits: cpu_ms=3000 wall_ms=30000 memory_mb=256 output_kb=64
 * expect: end=exit|output|cpu|memory exit_code=1|0
 */
#include "main.c"
#include "main.c"
