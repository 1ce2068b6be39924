/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: options from a file that the user cannot read, or that never ends
 * run: /bin/sh -c "gcc @/etc/shadow -c main.c; gcc @/dev/zero -c main.c"
 * limits: cpu_ms=2000 wall_ms=30000 memory_mb=128
 * expect: end=exit|memory|cpu exit_code=1|0 err_lacks="root:"
 */
int main(void)
{
    return 0;
}
