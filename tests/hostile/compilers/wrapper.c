/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: compiler options that run other programs. They may: they run in the box, as the user
 * run: /usr/bin/gcc -wrapper /bin/sh,-c,id;cat\ /etc/shadow;echo\ x>/usr/x;kill\ -9\ -1 -c main.c
 * limits: cpu_ms=2000 wall_ms=30000 memory_mb=256
 * expect: end=exit|signal exit_code=1|0 out_lacks="uid=0" err_lacks="root:"
 */
int main(void)
{
    return 0;
}
