/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: send bits from box to box by locks on the system's files
 * roles: watch act
 * expect: end=exit exit_code=0 out="held\n"
 * needs: user
 */
#include <sys/file.h>

#include "hostile.h"

static const char *const files[] = { "/proc/self/fd/0",
                                     "/proc/self/exe",
                                     "/usr/bin/env",
                                     "/usr/bin",
                                     "/usr/lib",
                                     "/bin/sh",
                                     "/etc/passwd",
                                     "/usr",
                                     "/",
                                     "/dev/null",
                                     "/dev/zero",
                                     "/etc",
                                     "/proc/version",
                                     "/proc/self/ns/net" };

static void hold(const char *path)
{
    struct flock lock = { .l_type = F_RDLCK };
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        return;
    flock(fd, LOCK_EX | LOCK_NB);
    fcntl(fd, F_SETLK, &lock);
    fcntl(fd, F_OFD_SETLK, &lock);
    REFUSED(fcntl(fd, F_SETLEASE, F_RDLCK), EPERM, EACCES, EINVAL);
    REFUSED(syscall(SYS_fcntl, fd, 1ul << 32 | F_SETLEASE, F_RDLCK), EPERM, EACCES, EINVAL);
    REFUSED(fcntl(fd, F_NOTIFY, DN_ACCESS | DN_MULTISHOT), EPERM, ENOTDIR, EINVAL);
    REFUSED(syscall(SYS_fcntl, fd, 1ul << 32 | F_NOTIFY, DN_ACCESS), EPERM, ENOTDIR, EINVAL);
}

static void look(const char *path)
{
    struct flock lock = { .l_type = F_WRLCK };
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        escaped("%s is locked by another box", path);
    flock(fd, LOCK_UN);
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        escaped("%s has a record lock of another box", path);
    close(fd);
}

int main(int argc, char **argv)
{
    bool watch = argc > 1 && !strcmp(argv[1], "watch");

    if (!watch)
        sleep_ms(50);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (watch ? hold : look)(files[i]);
    if (watch)
        sleep_ms(400);
    return verdict();
}
