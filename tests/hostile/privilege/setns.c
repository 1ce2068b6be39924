/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: enter namespaces by their files, one's own and those of process 1
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

int main(void)
{
    static const char *const kinds[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };
    char path[64];

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int fd;

        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        fd = open(path, O_RDONLY);
        FILTERED(setns(fd, 0));
        if (fd >= 0)
            close(fd);
        snprintf(path, sizeof path, "/proc/1/ns/%s", kinds[i]);
        if (open(path, O_RDONLY) >= 0)
            escaped("%s can be opened", path);
    }
    FILTERED(setns(-1, 0));
    return verdict();
}
