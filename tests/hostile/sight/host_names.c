/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: learn which machine this is: its name, its mounts, its cgroups, its cores' owner
 * args: {hostname} {marker}
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <sys/utsname.h>

#include "hostile.h"

static void lacks(const char *path, const char *word)
{
    static char text[1 << 16];
    int fd = open(path, O_RDONLY);
    ssize_t n;

    if (fd < 0)
        return;
    n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    close(fd);
    if (strstr(text, word))
        escaped("%s tells of %s", path, word);
}

int main(int argc, char **argv)
{
    static const char *const files[] = { "/proc/self/mountinfo",
                                         "/proc/self/mounts",
                                         "/proc/self/mountstats",
                                         "/proc/self/cgroup",
                                         "/proc/sys/kernel/hostname",
                                         "/etc/hostname",
                                         "/etc/hosts" };
    static const char *const words[] = { "/sys/fs/cgroup", "evalx", "/var/lib", "/home", "/root" };
    struct utsname name;

    uname(&name);
    if (argc > 1 && !strcmp(name.nodename, argv[1]))
        escaped("the host's name is %s", name.nodename);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            lacks(files[i], words[k]);
        if (argc > 2)
            lacks(files[i], argv[2]);
    }
    return verdict();
}
