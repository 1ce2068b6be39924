/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: read what belongs to the host: passwords, home folders, the service's data, other disks,
 *         and a marker file the test has put into the host's /tmp, /var/tmp and /dev/shm
 * args: {marker}
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <dirent.h>
#include <sys/sysmacros.h>

#include "hostile.h"

/* Not there, closed, or an empty folder. */
static void not_there(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK), names = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct stat s;

    if (fd < 0 && errno != ENOENT && errno != EACCES && errno != ENXIO)
        printf("ODD: %s: %s\n", path, strerror(errno)), breaches++;
    if (fd >= 0 && fstat(fd, &s) == 0 && S_ISCHR(s.st_mode) && s.st_rdev == makedev(1, 3))
        return; /* masked by /dev/null */
    if (fd >= 0 && !d)
        escaped("%s can be opened", path);
    while (d && readdir(d))
        names++;
    if (names > 2)
        escaped("%s holds %d names", path, names - 2);
}

int main(int argc, char **argv)
{
    static const char *const paths[] = {
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/ssh",
        "/etc/sudoers",
        "/etc/machine-id",
        "/etc/fstab",
        "/etc/mtab",
        "/root",
        "/home",
        "/var/lib",
        "/var/log",
        "/run",
        "/srv",
        "/boot",
        "/mnt",
        "/media",
        "/opt/evalx",
        "/var/lib/evalx",
        "/sys",
        "/sys/fs/cgroup",
        "/dev/sda",
        "/dev/vda",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/pts",
        "/dev/mapper",
        "/old",
        "/oldroot",
        "/.dockerenv",
        "/proc/kcore",
        "/dev/hugepages",
        "/dev/mqueue",
        "/run/docker.sock",
        "/var/run/docker.sock",
    };
    static const char *const folders[] = {
        "/tmp", "/var/tmp", "/dev/shm", "/box", "/box/../..", ""
    };
    char path[512];

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        not_there(paths[i]);
    for (size_t i = 0; argc > 1 && i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], argv[1]);
        REFUSED(open(path, O_RDONLY), ENOENT, EACCES);
    }
    return verdict();
}
