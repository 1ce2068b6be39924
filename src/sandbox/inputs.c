/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run reads that others may read too: its standard input and its executable.
 *
 * Both can be reopened through /proc/self, and locks, leases, inotify marks and access times live
 * on the inode. So a run never gets the descriptor it was given: stdin is copied into a memory file
 * of its own, sealed; executables into one of the lane's own, kept for the next runs of the same
 * file (a program with twenty tests is copied once on each lane). Inputs that are no regular files
 * (a terminal, a pipe of `evalx run`) are nobody else's and go through as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
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

int input_new(const char *name, mode_t mode, struct err *e)
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
    bool ok = st->st_size <= SMALL_INPUT ? copy_small(from, to, (size_t)st->st_size)
                                         : copy_large(from, to, st->st_size);
    if (!ok)
        return err_sys(e, "copy an input");
    return memfd_seal(to, e);
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
    CLEANUP(fd_close) int fd = TAKE_FD(l->ahead.input);
    return copy_to(fd, p->stdin_fd, &st, e) ? TAKE_FD(fd) : -1;
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
