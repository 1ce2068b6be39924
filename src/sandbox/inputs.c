/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run reads that others may read too: its standard input and its executable.
 *
 * Both can be reopened through /proc/self, and locks, leases, inotify marks and access times live
 * on the inode. So a run never gets the descriptor it was given.
 *
 * Executables are copied into a sealed memory file of the lane's own, kept for the next runs of the
 * same file (a program with twenty tests is copied once on each lane). A large stdin is copied into
 * one of its own. Making one, and taking it away, costs as much as five other steps of a short run,
 * so a small stdin is written into a file that stays: the tray. A program opens it through a mount
 * that is read-only and knows no times, belongs to somebody else, and is the only one to have it;
 * no lock on it may outlive a run, or the file is made anew.
 *
 * Inputs that are no regular files (a terminal, a pipe of `evalx run`) are nobody else's and go
 * through as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "sandbox/lane.h"

enum { SMALL_INPUT = 16 * 1024 };
static const int64_t input_max = 1 << 30;

static bool copy_small(int from, int to, size_t size)
{
    char bytes[SMALL_INPUT];
    ssize_t got = pread(from, bytes, size, 0);
    return got == (ssize_t)size && pwrite(to, bytes, size, 0) == got;
}

static bool copy_large(int from, int to, off_t size)
{
    for (off_t at = 0; at < size;) {
        ssize_t n = sendfile(to, from, &at, (size_t)(size - at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
    }
    return lseek(to, 0, SEEK_SET) == 0;
}

/* ---- the tray ---- */

#define TRAY_FILE "stdin"
#define SHOWN     "/tmp" /* where it is attached while it becomes read-only; free as yet */

static bool tray_file(struct tray *t, struct err *e)
{
    fd_close(t->file);
    t->size = 0;
    t->used = false;
    (void)!unlinkat(t->folder, TRAY_FILE, 0);
    t->file = openat(t->folder, TRAY_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    return t->file >= 0 || err_sys(e, "create the file for inputs");
}

bool tray_build(struct lane *l, struct err *e)
{
    struct tray *t = &l->tray;
    struct mount_attr held = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                           MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                                           MOUNT_ATTR_NOATIME,
                               .attr_clr = MOUNT_ATTR__ATIME };
    *t = (struct tray){ -1, -1, -1, 0, false };
    if (mount("tray", SCRATCH, "tmpfs", MS_NOSUID | MS_NODEV, "mode=700,size=64k,nr_inodes=8") != 0)
        return err_sys(e, "mount the tray");
    t->folder = open(SCRATCH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->folder < 0 || mount(NULL, SCRATCH, NULL, MS_PRIVATE, NULL) != 0 ||
        mount(SCRATCH, SHOWN, NULL, MS_BIND, NULL) != 0 ||
        syscall(SYS_mount_setattr, AT_FDCWD, SHOWN, 0, &held, sizeof held) != 0)
        return err_sys(e, "show the tray");
    t->shown = open(SHOWN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->shown < 0 || umount2(SHOWN, MNT_DETACH) != 0 || umount2(SCRATCH, MNT_DETACH) != 0)
        return err_sys(e, "take the tray out of sight");
    return tray_file(t, e);
}

/* No lock on it, of whatever kind. */
static bool is_unlocked(int fd)
{
    struct flock any = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && flock(fd, LOCK_UN) == 0 &&
           fcntl(fd, F_OFD_GETLK, &any) == 0 && any.l_type == F_UNLCK;
}

bool tray_clear(struct lane *l, struct err *e)
{
    struct tray *t = &l->tray;
    if (t->used && !is_unlocked(t->file))
        return tray_file(t, e);
    t->used = false;
    return true;
}

/* Small bytes onto the tray; a descriptor of it for the program, or -1. */
static int tray_lay(struct tray *t, int from, off_t size, struct err *e)
{
    bool ok = copy_small(from, t->file, (size_t)size) &&
              (t->size <= size || ftruncate(t->file, size) == 0);
    int fd = ok ? openat(t->shown, TRAY_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    t->size = ok ? size : SMALL_INPUT;
    t->used = true;
    if (fd < 0)
        err_sys(e, "copy an input");
    return fd;
}

/* ---- memory files ---- */

static int input_new(const char *name, mode_t mode, struct err *e)
{
    CLEANUP(fd_close) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || fchmod(fd, mode) != 0) {
        err_sys(e, "memory file for the %s", name);
        return -1;
    }
    return TAKE_FD(fd);
}

/* Fill an empty memory file, and let nobody change it any more. */
static bool copy_to(int to, int from, const struct stat *st, struct err *e)
{
    if (st->st_size > input_max)
        return err_set(e, ERR_INVALID, "an input of %lld bytes", (long long)st->st_size);
    return copy_large(from, to, st->st_size) ? memfd_seal(to, e) : err_sys(e, "copy an input");
}

int input_stdin(struct lane *l, const struct plan *p, struct err *e)
{
    struct stat st;
    if (fstat(p->stdin_fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        int fd = fcntl(p->stdin_fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            err_sys(e, "stdin");
        return fd;
    }
    if (st.st_size <= SMALL_INPUT)
        return tray_lay(&l->tray, p->stdin_fd, st.st_size, e);
    CLEANUP(fd_close) int fd = input_new("stdin", 0444, e);
    return fd >= 0 && copy_to(fd, p->stdin_fd, &st, e) ? TAKE_FD(fd) : -1;
}

static bool same_file(const struct exe_copy *c, const struct stat *st)
{
    return c->fd >= 0 && c->of.st_dev == st->st_dev && c->of.st_ino == st->st_ino &&
           c->of.st_size == st->st_size && c->of.st_ctim.tv_sec == st->st_ctim.tv_sec &&
           c->of.st_ctim.tv_nsec == st->st_ctim.tv_nsec;
}

int input_exe(struct lane *l, const struct plan *p, struct err *e)
{
    struct stat st;
    if (fstat(p->exe_fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_set(e, ERR_INVALID, "the program is no regular file");
        return -1;
    }
    struct exe_copy *oldest = &l->exes[0];
    for (int i = 0; i < EXE_COPIES; i++) {
        struct exe_copy *c = &l->exes[i];
        /* Where all runs are one user, this one's file is the next one's to mark. */
        if (!l->setup.one_user && same_file(c, &st)) {
            c->used = l->run_no;
            return c->fd;
        }
        if (c->used < oldest->used)
            oldest = c;
    }
    CLEANUP(fd_close) int fd = input_new("program", 0555, e);
    if (fd < 0 || !copy_to(fd, p->exe_fd, &st, e))
        return -1;
    fd_close(oldest->fd);
    *oldest = (struct exe_copy){ .fd = TAKE_FD(fd), .of = st, .used = l->run_no };
    return oldest->fd;
}
