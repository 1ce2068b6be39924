/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: tell the kernel to kill everything else first when memory runs out
 * expect: end=exit exit_code=0 out="held\n"
 * limits: memory_mb=64
 */
#include "hostile.h"

static long set_score(const char *path, const char *score)
{
    int fd = open(path, O_WRONLY);
    long n;

    if (fd < 0)
        return -1;
    n = write(fd, score, strlen(score));
    close(fd);
    return n;
}

int main(void)
{
    char was[16] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDONLY);

    if (fd >= 0) {
        if (read(fd, was, sizeof was - 1) > 0 && atol(was) < 0)
            escaped("oom_score_adj is %s", was);
        close(fd);
    }
    REFUSED(set_score("/proc/self/oom_score_adj", "-1000"), EACCES, EPERM, EROFS, ENOENT);
    REFUSED(set_score("/proc/self/oom_adj", "-17"), EACCES, EPERM, EROFS, ENOENT);
    REFUSED(set_score("/proc/1/oom_score_adj", "1000"), EACCES, EPERM, EROFS, ENOENT);
    return verdict();
}
