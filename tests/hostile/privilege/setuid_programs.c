/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: run set-uid programs of the system, and one of one's own making
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <linux/xattr.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "hostile.h"

static void check_nosuid(const char *path)
{
    struct statvfs fs;

    if (statvfs(path, &fs) == 0 && !(fs.f_flag & ST_NOSUID))
        escaped("%s is mounted without nosuid", path);
}

int main(int argc, char **argv)
{
    static const char *const mounts[] = { "/",    "/usr",     "/usr/bin/su", "/bin", "/lib", "/etc",
                                          "/dev", "/dev/shm", "/box",        "/tmp", "/proc" };
    static const char caps[20] = "\1\0\0\2\377\377\377\377\377\377\377\377";
    int status = -1;

    if (argc > 1)
        return geteuid() != getuid() || getegid() != getgid() || getuid() == 0;
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
        check_nosuid(mounts[i]);

    if (link("/proc/self/exe", "/box/mine") < 0) {
        static char block[1 << 16];
        int from = open("/proc/self/exe", O_RDONLY),
            to = open("/box/mine", O_CREAT | O_WRONLY, 0755);
        ssize_t n;

        while ((n = read(from, block, sizeof block)) > 0)
            write(to, block, (size_t)n);
        close(to);
    }
    chmod("/box/mine", 06755);
    setxattr("/box/mine", XATTR_NAME_CAPS, caps, sizeof caps, 0);
    if (!fork()) {
        execl("/box/mine", argv[0], "again", NULL);
        _exit(0);
    }
    wait(&status);
    if (WEXITSTATUS(status) != 0)
        escaped("a set-uid copy ran as somebody else");
    if (!fork()) {
        dup2(open("/dev/null", O_RDWR), 0);
        dup2(0, 2);
        execl("/usr/bin/su", "su", "-c", "true", NULL);
        _exit(1);
    }
    wait(&status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        escaped("su worked");
    return verdict();
}
