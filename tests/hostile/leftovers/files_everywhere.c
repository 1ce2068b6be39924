/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave files, folders, links, pipes and open deleted files in all writable places
 * expect: end=exit exit_code=0 out="done\n"
 */
#include "hostile.h"

int main(void)
{
    static const char *const places[] = { "/box", "/tmp", "/dev/shm" };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (chdir(places[i]) < 0)
            return 1;
        write_file("file", "leak");
        write_file(".hidden", "leak");
        mkdir("folder", 0);
        symlink("file", "link");
        link("file", "hard");
        mkfifo("pipe", 0666);
        write_file("gone", "leak");
        if (open("gone", O_RDWR) >= 0)
            unlink("gone");
    }
    if (!fork()) {
        setsid();
        for (;;)
            pause();
    }
    printf("done\n");
    return 0;
}
