/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: daemons go on creating files in the box after the program has ended, against the wipe
 * expect: end=exit exit_code=0 out="done\n" overhead_ms=..50 wall_ms=..500
 * limits: cpu_ms=1000 wall_ms=3000 processes=20
 */
#include "hostile.h"

static void plant(int id)
{
    char name[64];

    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof name, "%s/d%d-%u", i & 1 ? "/box" : "/tmp", id, i);
        if (mkdir(name, 0700) < 0)
            rmdir(name);
    }
}

int main(void)
{
    for (int i = 0; i < 8; i++) {
        if (!fork()) {
            setsid();
            plant(i);
        }
    }
    sleep_ms(20);
    printf("done\n");
    return 0;
}
