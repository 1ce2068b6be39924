/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void fd_close(int fd)
{
    if (fd < 0)
        return;
    int keep = errno;
    close(fd);
    errno = keep;
}

bool fd_read_all(int fd, size_t max, struct buf *out, struct err *e)
{
    size_t total = 0;
    for (;;) {
        size_t want = MIN((size_t)65536, max - total + 1);
        char *at = buf_reserve(out, want);
        ssize_t got = read(fd, at, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(e, "read");
        if (got == 0)
            return true;
        total += (size_t)got;
        if (total > max)
            return err_set(e, ERR_LIMIT, "more than %zu bytes", max);
        out->len += (size_t)got;
        out->ptr[out->len] = '\0';
    }
}

bool fd_write_all(int fd, struct str bytes, struct err *e)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t put = write(fd, bytes.ptr + done, bytes.len - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_sys(e, "write");
        done += (size_t)put;
    }
    return true;
}

bool file_read(int dir, const char *name, size_t max, struct buf *out, struct err *e)
{
    CLEANUP(fd_close) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_sys(e, "open %s", name);
        if (e->sys == ENOENT)
            e->kind = ERR_NOT_FOUND;
        return false;
    }
    if (!fd_read_all(fd, max, out, e))
        return err_add(e, "%s", name);
    return true;
}

bool file_replace(int dir, const char *name, struct str bytes, mode_t mode, struct err *e)
{
    char temporary[300];
    snprintf(temporary, sizeof temporary, "%s.new.%d", name, (int)getpid());
    CLEANUP(fd_close)
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return err_sys(e, "create %s", temporary);
    if (!fd_write_all(fd, bytes, e))
        return err_add(e, "%s", temporary);
    if (fsync(fd) != 0)
        return err_sys(e, "fsync %s", temporary);
    if (renameat(dir, temporary, dir, name) != 0)
        return err_sys(e, "rename %s", name);
    if (dir != AT_FDCWD && fsync(dir) != 0)
        return err_sys(e, "fsync folder of %s", name);
    return true;
}

int dir_open(const char *path, mode_t mode, struct err *e)
{
    char part[4096];
    int len = snprintf(part, sizeof part, "%s", path);
    if (len <= 0 || (size_t)len >= sizeof part) {
        err_set(e, ERR_INVALID, "path is empty or too long");
        return -1;
    }
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char was = *p;
        *p = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST) {
            err_sys(e, "create folder %s", part);
            return -1;
        }
        *p = was;
        if (was == '\0')
            break;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        err_sys(e, "open folder %s", path);
    return fd;
}

int memfd_of(const char *name, struct str bytes, mode_t mode, struct err *e)
{
    CLEANUP(fd_close) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        err_sys(e, "memfd_create");
        return -1;
    }
    if (!fd_write_all(fd, bytes, e))
        return -1;
    if (fchmod(fd, mode) != 0) {
        err_sys(e, "fchmod");
        return -1;
    }
    if (!memfd_seal(fd, e))
        return -1;
    return TAKE_FD(fd);
}

bool memfd_seal(int fd, struct err *e)
{
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return err_sys(e, "seal memory file");
    return true;
}
