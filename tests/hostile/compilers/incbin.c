/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: put secret files into the program by the assembler, which reads what it likes
 * run: /usr/bin/gcc -c main.c
 * limits: cpu_ms=3000 wall_ms=30000 memory_mb=256
 * expect: end=exit exit_code=1 err_has="/etc/shadow"
 */
__asm__(".incbin \"/etc/shadow\"");
