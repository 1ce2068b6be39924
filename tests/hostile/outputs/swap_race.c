/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: daemons that exchange a file and a link to a secret all the time, while results are taken
 * collect: *
 * expect: end=exit exit_code=0 collected_lacks=root: wall_ms=..500
 */
#include "hostile.h"

int main(void)
{
    write_file("out", "mine\n");
    symlink("/etc/passwd", "link");
    for (int i = 0; i < 3; i++) {
        if (!fork()) {
            setsid();
            for (;;)
                syscall(SYS_renameat2, AT_FDCWD, "out", AT_FDCWD, "link", 2 /* exchange */);
        }
    }
    sleep_ms(20);
    return 0;
}
