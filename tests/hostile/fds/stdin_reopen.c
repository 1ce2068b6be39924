/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: reopen stdin for writing by /proc and change what the next run, and other lanes, will
 *         read
 * stdin: the same for everybody
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

int main(void)
{
    static const char path[] = "/proc/self/fd/0";
    char text[64];
    int fd = open(path, O_RDWR);
    ssize_t n = read(0, text, sizeof text - 1);

    text[n > 0 ? n : 0] = 0;
    if (strcmp(text, "the same for everybody"))
        escaped("stdin is not what it should be: %s", text);
    if (fd >= 0) {
        REFUSED(pwrite(fd, "hostile", 7, 0), EPERM, EBADF);
        REFUSED(ftruncate(fd, 0), EPERM, EINVAL);
        REFUSED(ftruncate(fd, 100000), EPERM, EINVAL);
        REFUSED(fallocate(fd, 3 /* keep size, punch a hole */, 0, 4096), EPERM, EBADF, EOPNOTSUPP);
        if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
            escaped("stdin can be mapped for writing");
    }
    REFUSED(open(path, O_WRONLY | O_TRUNC), EPERM, EACCES, EROFS);
    REFUSED(truncate(path, 0), EPERM, EACCES, EROFS, EINVAL);
    return verdict();
}
