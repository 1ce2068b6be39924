/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: noise without end, and as many messages about it
 * run: /usr/bin/gcc -c main.c
 * limits: cpu_ms=3000 wall_ms=30000 memory_mb=128 output_kb=64
 * expect: end=memory|cpu|output|exit exit_code=1|0
 */
#include "/dev/urandom"
