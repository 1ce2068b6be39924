/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: have the compiler quote secret files in its messages
 * run: /usr/bin/gcc -c main.c
 * limits: cpu_ms=3000 wall_ms=30000 memory_mb=256
 * expect: end=exit exit_code=1 err_lacks="root:" err_has="No such file|Permission denied"
 */
#include "/etc/shadow"
#include "/etc/gshadow"
