/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: ten lines that become 8 thousand million words
 * run: /usr/bin/gcc -c main.c
 * limits: cpu_ms=2000 wall_ms=30000 memory_mb=256
 * expect: end=cpu|memory
 * needs: cgroup
 */
#define A x x x x x x x x x x
#define B A A A A A A A A A A
#define C B B B B B B B B B B
#define D C C C C C C C C C C
#define E D D D D D D D D D D
#define F E E E E E E E E E E
#define G F F F F F F F F F F
#define H G G G G G G G G G G
#define I H H H H H H H H H H
int I;
