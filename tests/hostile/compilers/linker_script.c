/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a linker script as the source's object: INPUT and INCLUDE read any file of the system
 * run: /bin/sh -c "echo 'INPUT(/etc/shadow)' >x.o; gcc x.o; echo 'INCLUDE /etc/shadow' >y.ld; gcc -Wl,-T,y.ld main.c"
 * limits: cpu_ms=4000 wall_ms=30000 memory_mb=256
 * expect: end=exit exit_code=1 err_lacks="root:" err_has="/etc/shadow"
 */
int main(void)
{
    return 0;
}
