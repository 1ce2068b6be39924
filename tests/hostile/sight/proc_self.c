/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave by the magic links of one's own /proc folder: root, cwd, exe, fd, map_files, task
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

static void same(const char *a, const char *b)
{
    struct stat x, y;

    if (stat(a, &x) == 0 && stat(b, &y) == 0 && (x.st_ino != y.st_ino || x.st_dev != y.st_dev))
        escaped("%s is not %s", a, b);
}

int main(void)
{
    same("/proc/self/root", "/");
    same("/proc/self/root/..", "/");
    same("/proc/self/cwd", "/box");
    same("/proc/self/cwd/../../../..", "/");
    same("/proc/self/task/../../../..", "/");
    REFUSED(open("/proc/self/root/etc/shadow", O_RDONLY), ENOENT, EACCES);
    REFUSED(open("/proc/self/cwd/../../../../etc/shadow", O_RDONLY), ENOENT, EACCES);
    REFUSED(open("/proc/self/mem", O_RDWR) < 0 ? -1 : open("/proc/1/mem", O_RDWR), ENOENT, EACCES,
            EPERM);
    return verdict();
}
