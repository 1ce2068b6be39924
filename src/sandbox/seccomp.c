/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls a program may not make.
 *
 * A deny-list: namespaces, capabilities and the read-only root already take away the means, the
 * filter takes away the doors through which the kernel itself was attacked in the past. Answers are
 * those a plain machine would give to an unprivileged user, so that programs fall back instead of
 * failing: EPERM, ENOSYS for calls libraries probe, EAFNOSUPPORT and ENETUNREACH for sockets. Entry
 * by the i386 or x32 tables kills, since the filter is written for one table.
 *
 * libseccomp turns the list into a binary tree (CTL_OPTIMIZE 2): 128 rules then cost 4 us more than
 * 9, a linear chain 60 us. The keeper builds it once; lanes read the program from a memory file.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "sandbox/lane.h"

struct refusal {
    int sys;           /* errno the program sees */
    const char *calls; /* separated by spaces */
};

static const struct refusal refusals[] = {
    { EPERM, "keyctl add_key request_key" },
    { EPERM, "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease "
             "pidfd_getfd kcmp" },
    { EPERM, "mount umount umount2 pivot_root chroot unshare setns move_mount open_tree fsopen "
             "fsconfig fsmount fspick mount_setattr open_tree_attr statmount listmount" },
    { EPERM, "bpf perf_event_open userfaultfd" },
    { ENOSYS, "io_uring_setup io_uring_enter io_uring_register" },
    { EPERM, "kexec_load kexec_file_load init_module finit_module delete_module create_module "
             "reboot syslog acct swapon swapoff vhangup nfsservctl uselib lookup_dcookie" },
    { EPERM, "open_by_handle_at name_to_handle_at fanotify_init fanotify_mark quotactl "
             "quotactl_fd" },
    { EPERM, "settimeofday clock_settime clock_adjtime adjtimex clock_adjtime64 "
             "clock_settime64" },
    { EPERM, "iopl ioperm modify_ldt mbind move_pages migrate_pages set_mempolicy "
             "set_mempolicy_home_node memfd_secret sethostname setdomainname" },
    { EPERM, "sched_setaffinity ioprio_set" },
    { ENOSPC, "shmget msgget semget mq_open" },
    { 0, "sync syncfs" }, /* the box has no disk; of the host's they would flush everything */
    { ENOSYS, "clone3" }, /* its flags lie in memory, which a filter cannot read: use clone */
    { ENOSYS, "lsm_set_self_attr landlock_create_ruleset landlock_add_rule "
              "landlock_restrict_self" },
};

static const unsigned long long namespace_flags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                                  CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                                  CLONE_NEWNET;

static int refuse(scmp_filter_ctx c, const struct refusal *r)
{
    char calls[256];
    char *save = NULL;
    snprintf(calls, sizeof calls, "%s", r->calls);
    for (char *name = strtok_r(calls, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
        int number = seccomp_syscall_resolve_name(name);
        if (number < 0)
            continue; /* not on this architecture, or younger than the library */
        int rc = seccomp_rule_add(c, SCMP_ACT_ERRNO((uint32_t)r->sys), number, 0);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Calls younger than libseccomp 2.5, by number: the same on every architecture. */
static int refuse_young(scmp_filter_ctx c)
{
    static const int numbers[] = { 451 /* cachestat */, 457 /* statmount */, 458 /* listmount */,
                                   460 /* lsm_set_self_attr */, 467 /* open_tree_attr */ };
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        int rc = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), numbers[i], 0);
        if (rc != 0 && rc != -EEXIST)
            return rc;
    }
    return 0;
}

static int refuse_namespaces(scmp_filter_ctx c)
{
    int rc = 0;
    for (int bit = 0; bit < 32 && rc == 0; bit++) {
        unsigned long long flag = 1ull << bit;
        if (namespace_flags & flag)
            rc = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
    }
    return rc;
}

/*
 * UNIX alone. INET would lead nowhere with no interface up, but its counters (/proc/net/snmp) live
 * as long as the box, which several runs use one after the other, and the stack behind it is large.
 * Compared in 64 bits: a family with anything in the upper half is above all others, and refused.
 */
static int refuse_sockets(scmp_filter_ctx c)
{
    static const int calls[] = { SCMP_SYS(socket), SCMP_SYS(socketpair) };
    int rc = 0;
    for (size_t i = 0; i < COUNT_OF(calls) && rc == 0; i++) {
        for (unsigned int family = 0; family <= AF_INET6 && rc == 0; family++) {
            bool inet = family == AF_INET || family == AF_INET6;
            if (family != AF_UNIX)
                rc = seccomp_rule_add(c, SCMP_ACT_ERRNO(inet ? ENETUNREACH : EAFNOSUPPORT),
                                      calls[i], 1, SCMP_A0(SCMP_CMP_EQ, family));
        }
        if (rc == 0)
            rc = seccomp_rule_add(c, SCMP_ACT_ERRNO(EAFNOSUPPORT), calls[i], 1,
                                  SCMP_A0(SCMP_CMP_GT, AF_INET6));
    }
    return rc;
}

/* One bit, or one whole value, of an argument of which the kernel looks at the low half only. */
struct argument {
    int call;
    unsigned int at; /* which argument */
    scmp_datum_t mask, value;
};

/*
 * Pushing characters into a terminal; leases and dnotify marks; huge pages, which no memory account
 * counts; keeping the core's other thread idle.
 */
static int refuse_arguments(scmp_filter_ctx c)
{
    const scmp_datum_t whole = 0xffffffff;
    const struct argument arguments[] = {
        { SCMP_SYS(ioctl), 1, whole, TIOCSTI },
        { SCMP_SYS(ioctl), 1, whole, TIOCLINUX },
        { SCMP_SYS(fcntl), 1, whole, 1024 /* F_SETLEASE */ },
        { SCMP_SYS(fcntl), 1, whole, 1026 /* F_NOTIFY */ },
        { SCMP_SYS(fcntl), 1, whole, 1036 /* F_SET_RW_HINT: stays on the inode */ },
        { SCMP_SYS(fcntl), 1, whole, 1038 /* F_SET_FILE_RW_HINT */ },
        { SCMP_SYS(mmap), 3, MAP_HUGETLB, MAP_HUGETLB },
        { SCMP_SYS(memfd_create), 1, MFD_HUGETLB, MFD_HUGETLB },
        { SCMP_SYS(prctl), 0, whole, 62 /* PR_SCHED_CORE */ },
    };
    int rc = 0;
    for (size_t i = 0; i < COUNT_OF(arguments) && rc == 0; i++) {
        const struct argument *a = &arguments[i];
        struct scmp_arg_cmp compare = SCMP_CMP(a->at, SCMP_CMP_MASKED_EQ, a->mask, a->value);
        rc = seccomp_rule_add_array(c, SCMP_ACT_ERRNO(EPERM), a->call, 1, &compare);
    }
    /* Limits of others: init is the same user where an ordinary user runs the sandbox. */
    if (rc == 0)
        rc = seccomp_rule_add(c, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1,
                              SCMP_A0(SCMP_CMP_NE, 0));
    return rc;
}

static int add_all(scmp_filter_ctx c)
{
    int rc = seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (rc == 0)
        rc = seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; i < COUNT_OF(refusals) && rc == 0; i++)
        rc = refuse(c, &refusals[i]);
    if (rc == 0)
        rc = refuse_young(c);
    if (rc == 0)
        rc = refuse_namespaces(c);
    if (rc == 0)
        rc = refuse_sockets(c);
    if (rc == 0)
        rc = refuse_arguments(c);
    return rc;
}

bool seccomp_build(int *ret_fd, struct err *e)
{
    CLEANUP(fd_close) int fd = memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_sys(e, "memory file for the filter");
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
    if (!c)
        return err_set(e, ERR_SYSTEM, "libseccomp does not start");
    int rc = add_all(c);
    if (rc == 0)
        rc = seccomp_export_bpf(c, fd);
    seccomp_release(c);
    if (rc != 0)
        return err_sysno(e, -rc, "build the system call filter");
    if (!memfd_seal(fd, e))
        return false;
    *ret_fd = TAKE_FD(fd);
    return true;
}

bool seccomp_read(int fd, struct sock_fprog *ret, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size == 0)
        return err_sys(e, "the filter is not there");
    void *program = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (program == MAP_FAILED)
        return err_sys(e, "map the filter");
    ret->len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
    ret->filter = program;
    return true;
}

bool seccomp_install(const struct sock_fprog *filter, struct err *e)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(e, "no_new_privs");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) != 0)
        return err_sys(e, "install the system call filter");
    return true;
}
