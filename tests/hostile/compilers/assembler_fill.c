/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: the assembler writes the same byte 64 thousand million times
 * run: /usr/bin/gcc -c main.c
 * limits: cpu_ms=4000 wall_ms=30000 memory_mb=128 file_mb=16 disk_mb=64
 * expect: end=exit|memory|cpu|signal exit_code=1|0
 */
__asm__(".rept 1000000\n.fill 64000, 1, 1\n.endr");
