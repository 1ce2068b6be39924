/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: make a device file of one's own, use those that are there for more than reading
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "hostile.h"

static bool expected(const char *name)
{
    static const char *const names[] = { ".",       "..",  "null", "zero",  "full",   "random",
                                         "urandom", "shm", "fd",   "stdin", "stdout", "stderr" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

int main(void)
{
    DIR *dev = opendir("/dev");
    int random = open("/dev/random", O_RDWR), zero = 0;

    for (struct dirent *e; dev && (e = readdir(dev));)
        if (!expected(e->d_name))
            escaped("/dev/%s", e->d_name);
    REFUSED(mknod("/box/sda", S_IFBLK | 0666, makedev(8, 0)), EPERM);
    REFUSED(mknod("/box/vda", S_IFBLK | 0666, makedev(254, 0)), EPERM);
    REFUSED(mknod("/box/mem", S_IFCHR | 0666, makedev(1, 1)), EPERM);
    REFUSED(mknod("/tmp/kmsg", S_IFCHR | 0666, makedev(1, 11)), EPERM);
    REFUSED(mknod("/tmp/zero", S_IFCHR | 0666, makedev(1, 5)), EPERM);
    if (random >= 0) {
        REFUSED(ioctl(random, 0x5206, &zero), EPERM, EINVAL, ENOTTY);     /* RNDCLEARPOOL */
        REFUSED(ioctl(random, 0x40045201, &zero), EPERM, EINVAL, ENOTTY); /* RNDADDTOENTCNT */
    }
    REFUSED(open("/dev/tty", O_RDWR), ENXIO, ENOENT, EACCES);
    REFUSED(open("/dev/ptmx", O_RDWR), ENOENT, EACCES);
    REFUSED(open("/dev/fuse", O_RDWR), ENOENT, EACCES);
    REFUSED(open("/dev/kvm", O_RDWR), ENOENT, EACCES);
    REFUSED(open("/dev/net/tun", O_RDWR), ENOENT, EACCES);
    REFUSED(chmod("/dev/null", 0600), EPERM, EROFS);
    REFUSED(unlink("/dev/null"), EACCES, EROFS, EPERM, EBUSY);
    return verdict();
}
