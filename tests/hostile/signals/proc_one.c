/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: look into process 1 of the box by /proc: its memory, descriptors, root and namespaces
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

int main(void)
{
    static const char *const files[] = {
        "environ",    "mem",          "maps",
        "smaps",      "auxv",         "cmdline",
        "io",         "stack",        "syscall",
        "stat",       "status",       "pagemap",
        "wchan",      "cgroup",       "personality",
        "mountinfo",  "fd",           "fd/0",
        "fdinfo",     "root",         "root/etc/shadow",
        "cwd/.",      "exe",          "ns/mnt",
        "ns/pid",     "task",         "map_files",
        "net/unix",   "attr/current", "timers",
        "clear_refs",
    };
    char path[64];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int fd;

        snprintf(path, sizeof path, "/proc/1/%s", files[i]);
        fd = open(path, O_RDONLY);
        if (fd >= 0)
            escaped("%s can be opened", path);
        else if (errno != ENOENT && errno != EACCES && errno != EPERM)
            printf("ODD: %s: %s\n", path, strerror(errno)), breaches++;
    }
    return verdict();
}
