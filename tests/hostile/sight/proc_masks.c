/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: read and turn the kernel's knobs and lists below /proc
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <dirent.h>
#include <sys/sysmacros.h>

#include "hostile.h"

/* Masked is: not there, not to be opened, or nothing in it. */
static void masked(const char *path)
{
    char byte;
    struct stat s;
    int fd = open(path, O_RDONLY | O_NONBLOCK);

    if (fd < 0)
        return;
    if (fstat(fd, &s) == 0 && S_ISDIR(s.st_mode)) {
        DIR *d = fdopendir(fd);
        int count = 0;

        while (d && readdir(d))
            count++;
        if (count > 2)
            escaped("%s holds %d names", path, count - 2);
        return;
    }
    if (read(fd, &byte, 1) > 0)
        escaped("%s can be read", path);
    close(fd);
}

/* Unless it is /dev/null that answers. */
static void not_writable(const char *path)
{
    static const int ways[] = { O_WRONLY, O_RDWR };
    struct stat s;

    for (size_t i = 0; i < 2; i++) {
        int fd = open(path, ways[i]);

        if (fd < 0 || (fstat(fd, &s) == 0 && S_ISCHR(s.st_mode) && s.st_rdev == makedev(1, 3)))
            continue;
        escaped("%s can be written", path);
    }
}

int main(void)
{
    static const char *const hidden[] = {
        "/proc/kcore",      "/proc/kallsyms",    "/proc/keys",          "/proc/key-users",
        "/proc/timer_list", "/proc/timer_stats", "/proc/sysrq-trigger", "/proc/cmdline",
        "/proc/config.gz",  "/proc/sched_debug", "/proc/latency_stats", "/proc/kmsg",
        "/proc/acpi",       "/proc/scsi",        "/proc/slabinfo",      "/proc/vmallocinfo",
        "/proc/kpagecount", "/proc/kpageflags",  "/proc/kpagecgroup",   "/proc/pagetypeinfo",
        "/proc/interrupts", "/proc/modules",     "/proc/iomem",         "/proc/ioports",
    };
    static const char *const fixed[] = {
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/vm/drop_caches",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/shmmni",
        "/proc/sys/kernel/msgmni",
        "/proc/sys/kernel/sem",
        "/proc/sys/fs/mqueue/queues_max",
        "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/fs/binfmt_misc/register",
        "/proc/irq/default_smp_affinity",
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/randomize_va_space",
        "/proc/sys/user/max_user_namespaces",
        "/proc/self/timerslack_ns_",
        "/proc/mtrr",
    };

    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        masked(hidden[i]);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        not_writable(fixed[i]);
    return verdict();
}
