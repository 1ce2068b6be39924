/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: an 8 GB object file from one line
 * run: /usr/bin/gcc -c main.c
 * limits: cpu_ms=4000 wall_ms=30000 memory_mb=128 file_mb=16 disk_mb=64
 * expect: end=exit|memory|cpu|signal exit_code=0|1|4
 */
int a[2000000000] = { 1 };
