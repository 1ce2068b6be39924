/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: create, change, rename and remove files everywhere outside /box, /tmp and /dev/shm
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <dirent.h>
#include <ftw.h>

#include "hostile.h"

enum { DEEP_ENOUGH = 3 };

static bool allowed(const char *path)
{
    static const char *const ours[] = { "/box", "/tmp", "/dev/shm", "/proc" };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!strncmp(path, ours[i], strlen(ours[i])))
            return true;
    return false;
}

/* Every mount but those of the three places says that it is read-only. */
static void check_mounts(void)
{
    FILE *f = fopen("/proc/self/mountinfo", "r");
    char line[1024], path[512], options[64];

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%*s %*s %*s %*s %511s %63s", path, options) == 2 && !allowed(path) &&
            strncmp(options, "ro,", 3))
            escaped("%s is mounted %s", path, options);
    if (!f)
        printf("ODD: no list of mounts\n"), breaches++;
}

/* Every folder and file that the kernel would let us write to, whatever the modes say. */
static int visit(const char *path, const struct stat *s, int type, struct FTW *where)
{
    if (allowed(path))
        return FTW_SKIP_SUBTREE;
    if (where->level > DEEP_ENOUGH)
        return FTW_SKIP_SIBLINGS;
    if (type == FTW_SL || S_ISCHR(s->st_mode))
        return FTW_CONTINUE;
    if (faccessat(AT_FDCWD, path, W_OK, 0) == 0)
        escaped("%s is writable", path);
    return FTW_CONTINUE;
}

int main(void)
{
    check_mounts();
    nftw("/", visit, 20, FTW_PHYS | FTW_ACTIONRETVAL);
    REFUSED(open("/new", O_CREAT | O_WRONLY, 0600), EROFS, EACCES);
    REFUSED(open("/etc/new", O_CREAT | O_WRONLY, 0600), EROFS, EACCES);
    REFUSED(open("/usr/new", O_CREAT | O_WRONLY, 0600), EROFS, EACCES);
    REFUSED(open("/dev/new", O_CREAT | O_WRONLY, 0600), EROFS, EACCES);
    REFUSED(open("/proc/sys/kernel/core_pattern", O_WRONLY), EROFS, EACCES, ENOENT);
    REFUSED(rename("/box", "/tmp/box"), EROFS, EACCES, EBUSY, EXDEV);
    REFUSED(rename("/tmp", "/box/tmp"), EROFS, EACCES, EBUSY, EXDEV);
    REFUSED(rmdir("/box"), EROFS, EACCES, EBUSY, ENOTDIR);
    REFUSED(rmdir("/tmp"), EROFS, EACCES, EBUSY, ENOTDIR);
    REFUSED(unlink("/etc/passwd"), EROFS, EACCES, ENOENT);
    REFUSED(chmod("/usr", 0777), EROFS, EPERM);
    REFUSED(chown("/etc/passwd", getuid(), getgid()), EROFS, EPERM, ENOENT);
    REFUSED(link("/etc/passwd", "/box/passwd"), EXDEV, EPERM, EROFS, ENOENT);
    REFUSED(truncate("/usr/bin/env", 0), EROFS, EACCES);
    return verdict();
}
