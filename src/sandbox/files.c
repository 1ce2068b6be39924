/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files into the box, before the program starts.
 *
 * The box may hold what an earlier step of the same job left (plan.keep), so nothing on the way is
 * trusted: every component is opened by itself, never following a link, and an existing entry of
 * the file's name is removed first.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "sandbox/lane.h"

enum { PATH_BYTES = 255, PATH_LEVELS = 8 };

static bool path_ok(const char *path)
{
    size_t len = strlen(path);
    int levels = 0;
    if (len == 0 || len > PATH_BYTES || path[0] == '/')
        return false;
    for (const char *part = path; part; levels++) {
        const char *end = strchr(part, '/');
        size_t part_len = end ? (size_t)(end - part) : strlen(part);
        if (part_len == 0 || (part_len == 1 && part[0] == '.') ||
            (part_len == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part = end ? end + 1 : NULL;
    }
    return levels <= PATH_LEVELS;
}

/* The folder a path lies in, its parents made and owned by the run's user; *last is its name. /box
 * itself is the lane's own descriptor, any other the caller closes. */
static int open_parent(struct lane *l, const char *path, const char **last, struct err *e)
{
    char part[PATH_BYTES + 1];
    *last = path;
    if (!strchr(path, '/'))
        return l->space.box;
    int folder = openat(l->space.box, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (const char *slash; folder >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        bool made = mkdirat(folder, part, 0755) == 0;
        int next = openat(folder, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && !l->wiped && unlinkat(folder, part, 0) == 0) {
            made = mkdirat(folder, part, 0755) == 0; /* a link or file an earlier step planted */
            next = openat(folder, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (made && next >= 0 && fchown(next, l->uid, l->uid) != 0) {
            fd_close(next);
            next = -1;
        }
        fd_close(folder);
        folder = next;
    }
    if (folder < 0)
        err_sys(e, "open the folder of %s", path);
    *last = path;
    return folder;
}

static bool copy_bytes(int from, int to, struct err *e)
{
    struct stat st;
    if (fstat(from, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "not a regular file");
    for (off_t at = 0; at < st.st_size;) {
        ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));
        if (n < 0 && errno == ENOSPC)
            return err_set(e, ERR_INVALID, "no room in the box");
        if (n < 0)
            return err_sys(e, "copy");
        if (n == 0)
            break;
    }
    return true;
}

static bool put_one(struct lane *l, const struct plan_file *f, struct err *e)
{
    const char *name;
    if (!path_ok(f->path))
        return err_set(e, ERR_INVALID, "not a path below /box");
    int folder = open_parent(l, f->path, &name, e);
    if (folder < 0)
        return false;
    UNUSED CLEANUP(fd_close) int own = folder != l->space.box ? folder : -1;
    if (!l->wiped)
        unlinkat(folder, name, 0);
    CLEANUP(fd_close)
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_sys(e, "create");
        if (!l->wiped)
            e->kind = ERR_INVALID; /* something an earlier step left is in the way */
        return false;
    }
    if (!copy_bytes(f->fd, fd, e))
        return false;
    if (fchown(fd, l->uid, l->uid) != 0 || fchmod(fd, f->mode & 0755) != 0)
        return err_sys(e, "hand over");
    return true;
}

bool files_put(struct lane *l, const struct plan *p, struct err *e)
{
    for (size_t i = 0; i < p->file_count; i++)
        if (!put_one(l, &p->files[i], e))
            return err_add(e, "file %.80s", p->files[i].path);
    return true;
}
