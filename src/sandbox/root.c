/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The box's own file tree.
 *
 *   /            tmpfs, read-only once built
 *   /usr ...     the host's, read-only, no setuid, no devices: an overlay per box when the kernel
 *                allows, so that locks, leases and inotify marks on its files stay in the box
 *   /etc         a chosen few of the host's, and passwd, group, hosts of our own
 *   /dev         null zero full random urandom and the links a shell expects; nodes of our own when
 *                we were root, so that they are private as well
 *   /proc        of the box's process namespace, mounted by init, masked
 *   /box /tmp /dev/shm   the writable space (wipe.c)
 *
 * The tree is put together on a folder that it hides, then becomes the root by pivot_root.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "sandbox/lane.h"

enum { SMALL_FILE = 4 << 20 };

struct node {
    const char *name;
    unsigned int major, minor;
};

static const struct node nodes[] = {
    { "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 },
};

static const char *const dev_links[][2] = {
    { "fd", "/proc/self/fd" },
    { "stdin", "/proc/self/fd/0" },
    { "stdout", "/proc/self/fd/1" },
    { "stderr", "/proc/self/fd/2" },
};

/* Below /etc, glob patterns; what the host does not have is left out. */
static const char *const etc_names[] = {
    "ld.so.cache",
    "alternatives",
    "localtime",
    "timezone",
    "ssl/certs",
    "ssl/openssl.cnf",
    "java-*",
    "php",
    "perl",
    "python3*",
    "pypy3*",
    "mono",
    "R",
    "octave*",
    "fonts",
    "terminfo",
    "mime.types",
    "services",
    "protocols",
    "debian_version",
    "os-release",
    "ghc*",
    "erlang",
    "lua",
    "racket",
    "gprolog",
    "swi-prolog",
    "fpc*.cfg",
    "gnat*",
    "ImageMagick-6",
    "ca-certificates.conf",
    "gdc*",
    "ldc2.conf",
    "ldc",
    "nim",
};

/* Kernel memory, addresses, keys, timing of other processes: nothing a program needs. */
static const char *const proc_hidden[] = {
    "kcore",      "kallsyms",    "keys",        "key-users",     "timer_list",   "sysrq-trigger",
    "cmdline",    "config.gz",   "sched_debug", "latency_stats", "kmsg",         "kpagecount",
    "kpageflags", "kpagecgroup", "slabinfo",    "vmallocinfo",   "pagetypeinfo", "interrupts",
    "softirqs",   "timer_stats", "iomem",       "ioports",       "modules",      "mtrr",
    "diskstats",  "partitions",  "swaps",       "buddyinfo",     "zoneinfo",     "schedstat",
    "locks",      "dma",         "fb",          "misc",          "execdomains",
};
static const char *const proc_emptied[] = { "acpi", "scsi",     "asound",       "driver",
                                            "tty",  "pressure", "dynamic_debug" };
static const char *const proc_read_only[] = { "sys", "irq", "bus", "fs" };

/* ---- small helpers ---- */

static bool set_attributes(const char *path, unsigned int flags, uint64_t attributes)
{
    struct mount_attr a = { .attr_set = attributes };
    return syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &a, sizeof a) == 0;
}

/* mkdir -p for everything before the last '/', relative to the working folder. */
static bool make_parents(const char *path)
{
    char part[512];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return true;
}

static bool write_file(const char *path, const char *text, struct err *e)
{
    CLEANUP(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(e, "create %s", path);
    return fd_write_all(fd, str_of(text), e);
}

/* A file system of ours, not attached anywhere yet. */
static int new_tmpfs(const char *size, const char *inodes, struct err *e)
{
    CLEANUP(fd_close) int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    int fd = -1;
    if (fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) == 0 &&
        fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", inodes, 0) == 0 &&
        fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) == 0 &&
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
    if (fd < 0)
        err_sys(e, "new tmpfs");
    return fd;
}

/* ---- /dev ---- */

static bool fill_dev(int dev, struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(dev_links); i++)
        if (symlinkat(dev_links[i][1], dev, dev_links[i][0]) != 0 && errno != EEXIST)
            return err_sys(e, "dev/%s", dev_links[i][0]);
    if (mkdirat(dev, "shm", 0755) != 0 && errno != EEXIST)
        return err_sys(e, "dev/shm");
    return true;
}

bool root_devices(struct lane *l, struct err *e)
{
    CLEANUP(fd_close) int dev = new_tmpfs("64k", "64", e);
    if (dev < 0)
        return false;
    mode_t mask = umask(0);
    bool made = true;
    for (size_t i = 0; i < COUNT_OF(nodes) && made; i++)
        made = mknodat(dev, nodes[i].name, S_IFCHR | 0666,
                       makedev(nodes[i].major, nodes[i].minor)) == 0;
    umask(mask);
    /* Without the right to make nodes, root_build() binds the host's. */
    CLEANUP(fd_close) int probe = made ? openat(dev, "null", O_RDWR | O_CLOEXEC) : -1;
    struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC };
    l->dev_tree = -1;
    if (probe < 0)
        return true;
    if (!fill_dev(dev, e))
        return false;
    if (syscall(SYS_mount_setattr, dev, "", AT_EMPTY_PATH, &a, sizeof a) != 0)
        return err_sys(e, "make dev read-only");
    l->dev_tree = TAKE_FD(dev);
    return true;
}

static bool bind_node(const char *name, struct err *e)
{
    char from[64], to[64];
    snprintf(from, sizeof from, "/dev/%s", name);
    snprintf(to, sizeof to, "dev/%s", name);
    CLEANUP(fd_close) int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || mount(from, to, NULL, MS_BIND, NULL) != 0 ||
        !set_attributes(to, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC))
        return err_sys(e, "show %s", from);
    return true;
}

static bool build_dev(struct lane *l, struct err *e)
{
    if (mkdir("dev", 0755) != 0)
        return err_sys(e, "dev");
    if (l->dev_tree >= 0) {
        if (move_mount(l->dev_tree, "", AT_FDCWD, "dev", MOVE_MOUNT_F_EMPTY_PATH) != 0)
            return err_sys(e, "attach dev");
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        if (!bind_node(nodes[i].name, e))
            return false;
    CLEANUP(fd_close) int dev = open("dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dev >= 0 && fill_dev(dev, e);
}

/* ---- the host's folders ---- */

/* An overlay has inodes of its own; it wants two layers, the second is empty. */
static bool show_overlay(const char *from, const char *to)
{
    char options[640];
    if (strpbrk(from, ":,\\") != NULL)
        return false;
    snprintf(options, sizeof options, "lowerdir=%s:%s", from, "var/empty");
    return mount("overlay", to, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options) == 0;
}

static bool show_bind(const char *from, const char *to, struct err *e)
{
    if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) != 0 ||
        !set_attributes(to, AT_RECURSIVE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV))
        return err_sys(e, "show %s", from);
    return true;
}

static bool copy_file(const char *from, const char *to, struct err *e)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    CLEANUP(fd_close) int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(e, "create %s", to);
    return file_read(AT_FDCWD, from, SMALL_FILE, &bytes, e) && fd_write_all(fd, buf_str(&bytes), e);
}

static bool copy_link(const char *from, const char *to, struct err *e)
{
    char target[512];
    ssize_t len = readlink(from, target, sizeof target - 1);
    if (len < 0)
        return err_sys(e, "read link %s", from);
    target[len] = '\0';
    if (symlink(target, to) != 0 && errno != EEXIST)
        return err_sys(e, "link %s", to);
    return true;
}

/* Show from (absolute) at the same place of the new tree; what is not there is left out. */
static bool show(struct lane *l, const char *from, struct err *e)
{
    struct stat st, there;
    const char *to = from + 1;
    if (lstat(from, &st) != 0 || lstat(to, &there) == 0)
        return true;
    if (!make_parents(to))
        return err_sys(e, "folders for %s", to);
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to, e);
    if (S_ISREG(st.st_mode) && st.st_size <= SMALL_FILE)
        return access(from, R_OK) != 0 || copy_file(from, to, e);
    if (!S_ISDIR(st.st_mode))
        return true;
    if (mkdir(to, 0755) != 0)
        return err_sys(e, "create %s", to);
    if (show_overlay(from, to)) {
        l->overlays++;
        return true;
    }
    return show_bind(from, to, e);
}

static bool show_etc(struct lane *l, const char *pattern, struct err *e)
{
    char path[300];
    glob_t found;
    bool ok = true;
    if (strstr(pattern, "..") || pattern[0] == '/')
        return err_set(e, ERR_INVALID, "/etc/%s is not a name below /etc", pattern);
    snprintf(path, sizeof path, "/etc/%s", pattern);
    if (glob(path, 0, NULL, &found) != 0)
        return true;
    for (size_t i = 0; i < found.gl_pathc && ok; i++)
        ok = show(l, found.gl_pathv[i], e);
    globfree(&found);
    return ok;
}

/* Every user a run may be has the name "box", so whoever asks is answered, whichever it is. */
static bool write_names(const struct lane *l, struct err *e)
{
    CLEANUP(buf_done) struct buf passwd = { 0 }, group = { 0 };
    buf_add_text(&passwd, "root:x:0:0:root:/:/bin/sh\n");
    buf_add_text(&group, "root:x:0:\n");
    for (int i = 0; i < l->setup.uid_count; i++) {
        uid_t uid = l->setup.first_uid + (uid_t)i;
        buf_addf(&passwd, "box:x:%u:%u:box:/box:/bin/sh\n", uid, uid);
        buf_addf(&group, "box:x:%u:\n", uid);
    }
    return write_file("etc/passwd", buf_str(&passwd).ptr, e) &&
           write_file("etc/group", buf_str(&group).ptr, e);
}

static bool build_etc(struct lane *l, struct err *e)
{
    if (mkdir("etc", 0755) != 0)
        return err_sys(e, "etc");
    if (!write_names(l, e) ||
        !write_file("etc/hosts", "127.0.0.1 localhost box\n::1 localhost box\n", e) ||
        !write_file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n", e))
        return false;
    for (size_t i = 0; i < COUNT_OF(etc_names); i++)
        if (!show_etc(l, etc_names[i], e))
            return false;
    const char *const *more = l->setup.held.config.etc;
    for (size_t i = 0; more && more[i]; i++)
        if (!show_etc(l, more[i], e))
            return false;
    return true;
}

static bool build_host_folders(struct lane *l, struct err *e)
{
    static const char *const names[] = { "/usr",   "/bin",   "/sbin",  "/lib",
                                         "/lib32", "/lib64", "/libx32" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!show(l, names[i], e))
            return false;
    const char *const *more = l->setup.held.config.mounts;
    for (size_t i = 0; more && more[i]; i++) {
        if (more[i][0] != '/' || strstr(more[i], ".."))
            return err_set(e, ERR_INVALID, "%s is not an absolute path", more[i]);
        if (!show(l, more[i], e))
            return false;
    }
    return true;
}

/* ---- putting it together ---- */

/* A folder to hide under the new tree: none whose contents are wanted. */
static const char *stage_folder(const struct keeper_config *c)
{
    static const char *const candidates[] = { "/mnt", "/media", "/srv", "/opt", "/tmp", "/root" };
    for (size_t i = 0; i < COUNT_OF(candidates); i++) {
        struct stat st;
        bool wanted = stat(candidates[i], &st) != 0 || !S_ISDIR(st.st_mode);
        for (size_t j = 0; c->mounts && c->mounts[j]; j++)
            wanted = wanted || str_starts(str_of(c->mounts[j]), candidates[i]);
        if (!wanted)
            return candidates[i];
    }
    return NULL;
}

static bool make_folders(struct err *e)
{
    static const char *const names[] = { "box", "tmp", "proc", "var", "var/empty", "home", "run" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (mkdir(names[i], 0755) != 0)
            return err_sys(e, "create %s", names[i]);
    if (symlink("/tmp", "var/tmp") != 0)
        return err_sys(e, "create var/tmp");
    return true;
}

bool root_build(struct lane *l, struct err *e)
{
    const char *stage = stage_folder(&l->setup.held.config);
    if (!stage)
        return err_set(e, ERR_SYSTEM, "no folder to build the root on");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return err_sys(e, "private mounts");
    CLEANUP(fd_close) int tree = new_tmpfs("16m", "8192", e);
    if (tree < 0)
        return false;
    if (move_mount(tree, "", AT_FDCWD, stage, MOVE_MOUNT_F_EMPTY_PATH) != 0 || chdir(stage) != 0)
        return err_sys(e, "attach the root at %s", stage);
    umask(022);
    if (!make_folders(e) || !build_host_folders(l, e) || !build_etc(l, e) || !build_dev(l, e))
        return false;
    return true;
}

static bool mask(const char *proc, const char *name, const char *with, bool read_only)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", proc, name);
    if (access(path, F_OK) != 0)
        return true;
    if (mount(with ? with : path, path, NULL, MS_BIND, NULL) != 0)
        return false;
    return !read_only ||
           set_attributes(path, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

bool root_mask_proc(const char *proc, struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(proc_hidden); i++)
        if (!mask(proc, proc_hidden[i], "dev/null", false))
            return err_sys(e, "hide /proc/%s", proc_hidden[i]);
    for (size_t i = 0; i < COUNT_OF(proc_emptied); i++)
        if (!mask(proc, proc_emptied[i], "var/empty", true))
            return err_sys(e, "empty /proc/%s", proc_emptied[i]);
    for (size_t i = 0; i < COUNT_OF(proc_read_only); i++)
        if (!mask(proc, proc_read_only[i], NULL, true))
            return err_sys(e, "make /proc/%s read-only", proc_read_only[i]);
    return true;
}

bool root_enter(UNUSED struct lane *l, struct err *e)
{
    if (syscall(SYS_pivot_root, ".", ".") != 0)
        return err_sys(e, "pivot_root");
    if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        return err_sys(e, "leave the host's root");
    if (!set_attributes("/", 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV))
        return err_sys(e, "make the root read-only");
    return true;
}
