/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: megabytes of messages
 * run: /usr/bin/gcc -fmax-errors=0 -c main.c
 * limits: cpu_ms=3000 wall_ms=30000 memory_mb=256 output_kb=64
 * expect: end=output err_bytes=65536
 */
#define A @ @ @ @ @ @ @ @ @ @
#define B A A A A A A A A A A
#define C B B B B B B B B B B
#define D C C C C C C C C C C
int x = 1;
D
