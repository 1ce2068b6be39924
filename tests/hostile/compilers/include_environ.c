/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: have the compiler quote the service's environment in its messages
 * run: /usr/bin/gcc -c main.c
 * limits: cpu_ms=3000 wall_ms=30000 memory_mb=256
 * expect: end=exit exit_code=1 err_lacks="hunter2" out_lacks="hunter2"
 */
#include "/proc/self/environ"
#include "/proc/1/environ"
