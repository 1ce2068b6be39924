/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave marks on the file of the program for the next run of the same program: extended
 *         attributes, mode, times, hints. Where it works, nobody else may ever see it
 * expect: end=exit exit_code=0 out="held\n"
 * exe: fd
 */
#include <sys/xattr.h>

#include "hostile.h"

int main(void)
{
    static const char path[] = "/proc/self/exe";
    struct timespec times[2] = { { 1, 0 }, { 2, 0 } };
    uint64_t hint = 0;
    char value[64];
    struct stat s;
    int fd = open(path, O_RDONLY);

    if (getxattr(path, "user.mark", value, sizeof value) >= 0)
        escaped("an attribute of an earlier run");
    if (stat(path, &s) == 0 && ((s.st_mode & 07777) == 0711 || s.st_mtime == 2))
        escaped("mode or times of an earlier run");
    if (fcntl(fd, F_GET_RW_HINT, &hint) == 0 && hint != 0)
        escaped("a hint of an earlier run");
    setxattr(path, "user.mark", "here", 4, 0);
    chmod(path, 0711);
    utimensat(AT_FDCWD, path, times, 0);
    hint = 5;
    fcntl(fd, F_SET_RW_HINT, &hint);
    return verdict();
}
