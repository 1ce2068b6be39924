/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: hear in one box what another box opens, through the inodes of the system's files that
 *         both see, and through their own inputs and programs
 * roles: watch act
 * expect: end=exit exit_code=0 out="held\n"
 * needs: user
 */
#include <sys/inotify.h>

#include "hostile.h"

static const char *const files[] = { "/proc/self/fd/0", "/proc/self/exe", "/usr/bin/env",
                                     "/usr/bin",        "/usr/lib",       "/bin/sh",
                                     "/etc/passwd",     "/usr",           "/",
                                     "/dev/null",       "/dev",           "/etc",
                                     "/usr/bin/true",   "/proc/version",  "/proc" };

static void act(void)
{
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
            int fd = open(files[i], O_RDONLY);
            char byte;

            if (fd >= 0) {
                read(fd, &byte, 1);
                close(fd);
            }
        }
        if (!fork()) {
            execl("/usr/bin/true", "true", NULL);
            _exit(0);
        }
        wait(NULL);
        sleep_ms(20);
    }
}

static void watch(void)
{
    char events[4096];
    int fd = inotify_init1(IN_NONBLOCK);

    if (fd < 0)
        return; /* no inotify, no news */
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        inotify_add_watch(fd, files[i], IN_ALL_EVENTS);
    for (int i = 0; i < 50; i++) {
        sleep_ms(10);
        if (read(fd, events, sizeof events) > 0) {
            escaped("another box opened something");
            return;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "watch"))
        watch();
    else
        act();
    return verdict();
}
