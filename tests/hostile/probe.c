/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - what a run sees and is given. It runs after each hostile program in the same lane, and
 * must print, byte for byte, what it printed on the fresh lane: the facts below hold every state
 * that programs have been seen to leave behind. What must never be there is told as "SEES: ...".
 * Numbers that change by themselves (time, process and user numbers, mount ids) are left out.
 */
#include <ctype.h>
#include <dirent.h>
#include <linux/fs.h>
#include <mqueue.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/shm.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

#include "hostile.h"

extern char **environ;

static void folder(const char *path, const char *allowed)
{
    struct statvfs fs;
    struct stat s;
    char names[256];
    int flags = 0;
    DIR *d = opendir(path);

    if (!d)
        printf("SEES: %s: %s\n", path, strerror(errno));
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, allowed))
            printf("SEES: %s/%s\n", path, e->d_name);
    if (d) {
        ioctl(dirfd(d), FS_IOC_GETFLAGS, &flags);
        closedir(d);
    }
    stat(path, &s);
    statvfs(path, &fs);
    printf("%s mode=%o mine=%d flags=%x links=%lu blocks=%lu/%lu files=%lu/%lu\n", path, s.st_mode,
           s.st_uid == getuid() && s.st_gid == getgid(), flags, s.st_nlink, fs.f_bfree, fs.f_blocks,
           fs.f_ffree, fs.f_files);
    if (s.st_mtime < 1000000000 || s.st_atime < 1000000000)
        printf("SEES: times of %s\n", path);
    if (listxattr(path, names, sizeof names) > 0)
        printf("SEES: attribute %s of %s\n", names, path);
}

/* The lines of a /proc file that start with one of the keys, or all. */
static void facts(const char *path, const char *const *keys)
{
    FILE *f = fopen(path, "r");
    char line[1024];

    printf("%s:\n", path);
    while (f && fgets(line, sizeof line, f)) {
        bool wanted = !keys;

        for (const char *const *k = keys; k && *k; k++)
            wanted = wanted || !strncmp(line, *k, strlen(*k));
        if (wanted)
            printf("  %s", line);
    }
    if (f)
        fclose(f);
}

/* Without the mount's ids and device number: a box may get a new file system when it is wiped. */
static void mounts(void)
{
    FILE *f = fopen("/proc/self/mountinfo", "r");
    char line[1024];

    while (f && fgets(line, sizeof line, f)) {
        char *p = line;

        for (int i = 0; i < 3 && p; i++)
            p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL;
        if (p)
            printf("mount %s", p);
    }
    if (f)
        fclose(f);
}

static void processes(void)
{
    DIR *proc = opendir("/proc");

    for (struct dirent *e; proc && (e = readdir(proc));)
        if (isdigit((unsigned char)e->d_name[0]) && atol(e->d_name) != getpid())
            printf("SEES: process %s\n", e->d_name);
    if (proc)
        closedir(proc);
    for (pid_t pid = 2; pid < 400; pid++)
        if (pid != getpid() && kill(pid, 0) == 0)
            printf("SEES: process %d can be signalled\n", pid);
}

static int lines(const char *path)
{
    FILE *f = fopen(path, "r");
    int n = 0;

    for (int c; f && (c = getc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static void ipc(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0hostile" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 8) == 0)
        printf("SEES: the abstract socket\n");
    close(fd);
    if (mq_open("/hostile", O_RDONLY) >= 0)
        printf("SEES: the message queue\n");
    if (shmget(0x4841434b, 0, 0) >= 0)
        printf("SEES: the shared memory\n");
    printf("sysv %d %d %d unix %d\n", lines("/proc/sysvipc/shm"), lines("/proc/sysvipc/msg"),
           lines("/proc/sysvipc/sem"), lines("/proc/net/unix"));
    if (syscall(SYS_keyctl, 0, -3, 0, 0, 0) >= 0)
        printf("SEES: a keyring\n");
}

/* What lies behind stdin, stdout and stderr belongs to the sandbox: it must be as new. */
static void descriptors(void)
{
    for (int fd = 0; fd < 3; fd++) {
        uint64_t hint = 0;

        fcntl(fd, F_GET_RW_HINT, &hint);
        printf("fd %d flags=%x owner=%d signal=%d size=%d hint=%d position=%ld\n", fd,
               fcntl(fd, F_GETFL), fcntl(fd, F_GETOWN), fcntl(fd, F_GETSIG),
               fcntl(fd, F_GETPIPE_SZ), (int)hint, (long)lseek(fd, 0, SEEK_CUR));
    }
    for (int fd = 3; fd < 300; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf("SEES: descriptor %d\n", fd);
}

static void process_state(void)
{
    struct itimerval timer = { 0 };
    struct rusage children;
    struct utsname name;
    cpu_set_t cpus;
    char cwd[256] = "";
    int reaper = -1, signal = -1;

    prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0);
    prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0);
    getitimer(ITIMER_REAL, &timer);
    getrusage(RUSAGE_CHILDREN, &children);
    sched_getaffinity(0, sizeof cpus, &cpus);
    uname(&name);
    if (getuid() == 0 || getgid() == 0 || getuid() != geteuid() || getgroups(0, NULL) != 0)
        printf("SEES: ids %u %u %u\n", getuid(), geteuid(), getgid());
    printf("cwd=%s session=%d group=%d parent=%d\n", getcwd(cwd, sizeof cwd) ? cwd : "?",
           getsid(0) == getpid(), getpgid(0) == getpid(), getppid());
    printf("nice=%d policy=%d cpus=%d ioprio=%ld reaper=%d deathsig=%d dumpable=%d slack=%d "
           "thp=%d securebits=%d timer=%ld\n",
           getpriority(PRIO_PROCESS, 0), sched_getscheduler(0), CPU_COUNT(&cpus),
           syscall(SYS_ioprio_get, 1, 0), reaper, signal, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
           prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0),
           prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), (long)timer.it_value.tv_sec);
    printf("host=%s.%s children=%ld\n", name.nodename, name.domainname,
           children.ru_utime.tv_usec + children.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    static const char *const status[] = {
        "Umask",
        "Threads",
        "Sig",
        "Shd",
        "Cap",
        "NoNewPrivs",
        "Seccomp",
        "Speculation",
        "Cpus_allowed_list",
        "Mems_allowed_list",
        "THP",
        "CoreDumping",
        NULL,
    };

    folder("/box", "given.txt");
    folder("/tmp", "");
    folder("/dev/shm", "");
    facts("/box/given.txt", NULL);
    processes();
    ipc();
    process_state();
    descriptors();
    facts("/proc/net/snmp", NULL);
    facts("/proc/net/netstat", NULL);
    facts("/proc/self/status", status);
    facts("/proc/self/limits", NULL);
    facts("/proc/self/oom_score_adj", NULL);
    facts("/proc/self/coredump_filter", NULL);
    facts("/proc/self/personality", NULL);
    facts("/proc/self/cgroup", NULL);
    mounts();
    for (int i = 0; i < argc; i++)
        printf("argv %s\n", argv[i]);
    for (char **e = environ; *e; e++)
        printf("env %s\n", *e);
    return 0;
}
