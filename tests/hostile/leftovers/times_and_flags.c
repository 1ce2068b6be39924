/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave marks on the folders that no count of files shows: times, inode flags
 * expect: end=exit exit_code=0 out="done\n"
 */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "hostile.h"

int main(void)
{
    static const char *const ours[] = { "/box", "/tmp", "/dev/shm" };
    struct timespec times[2] = { { 1, 0 }, { 2, 0 } };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        int fd = open(ours[i], O_RDONLY), flags = FS_NODUMP_FL | FS_NOATIME_FL;

        utimensat(AT_FDCWD, ours[i], times, 0);
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
        close(fd);
    }
    printf("done\n");
    return 0;
}
