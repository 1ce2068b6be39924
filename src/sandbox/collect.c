/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files out of the box, after everything in it is dead.
 *
 * The names and kinds of files are the program's choice, so: paths are resolved beneath /box
 * without links and without leaving the file system, FIFOs and devices are never opened for real,
 * only regular files are read, and bytes, files, names and depth are bounded while reading. What
 * leaves the box is a sealed copy; of the mode only "executable" survives.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "sandbox/lane.h"
#include "sandbox/pattern.h"
#include "sandbox/remedy.h"

enum { WALK_LEVELS = 16, WALK_ENTRIES = 20000, WALK_PATH = 1024 };

struct walk {
    struct lane *lane;
    const struct plan *plan;
    struct report *report;
    int64_t used[64]; /* bytes taken for each pattern */
    int files[64];
    int entries;
    char path[WALK_PATH];
};

static int open_beneath(int root, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

static void keep_file(struct report *r, const char *path, int fd, const struct stat *st)
{
    r->files = realloc(r->files, (r->file_count + 1) * sizeof *r->files);
    CHECK(r->files != NULL);
    struct report_file *f = &r->files[r->file_count++];
    f->path = strdup(path);
    CHECK(f->path != NULL);
    f->fd = fd;
    f->size = st->st_size;
    f->mode = st->st_mode & 0111 ? 0755 : 0644;
}

/* Mode without write for anybody; what was a program stays one, so that it can be run from here. */
static bool copy_sealed(int from, const struct stat *st, int *ret, struct err *e)
{
    CLEANUP(fd_close) int to = memfd_create("collected", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (to < 0)
        return err_sys(e, "memory file");
    for (off_t at = 0; at < st->st_size;) {
        ssize_t n = sendfile(to, from, &at, (size_t)(st->st_size - at));
        if (n <= 0)
            return err_sys(e, "copy");
    }
    if (lseek(to, 0, SEEK_SET) != 0 || fchmod(to, st->st_mode & 0111 ? 0555 : 0444) != 0)
        return err_sys(e, "mode of a collected file");
    if (!memfd_seal(to, e))
        return false;
    *ret = TAKE_FD(to);
    return true;
}

/* The first pattern that wants the path and still has room for it; -1 and cut when none has. */
static int choose_pattern(struct walk *w, int64_t size)
{
    int chosen = -1;
    bool wanted = false;
    for (size_t i = 0; i < w->plan->collect_count && chosen < 0; i++) {
        const struct plan_collect *c = &w->plan->collect[i];
        if (!pattern_match(c->pattern, w->path))
            continue;
        wanted = true;
        if (size <= c->file_bytes && w->used[i] + size <= c->total_bytes && w->files[i] < c->files)
            chosen = (int)i;
    }
    if (wanted && chosen < 0)
        w->report->files_cut = true;
    return chosen;
}

static bool take_file(struct walk *w, struct err *e)
{
    struct stat st;
    CLEANUP(fd_close) int fd = open_beneath(w->lane->space.box, w->path);
    if (fd < 0 && is_shortage(errno))
        return err_sys(e, "collect: open");
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return true; /* vanished is impossible, unreadable or odd: not collected */
    int pattern = choose_pattern(w, st.st_size);
    int copy = -1;
    if (pattern < 0)
        return true;
    if (!copy_sealed(fd, &st, &copy, e))
        return err_add(e, "collect");
    keep_file(w->report, w->path, copy, &st);
    w->used[pattern] += st.st_size;
    w->files[pattern]++;
    return true;
}

/* Names with control characters or other than UTF-8 do harm where they are printed or unpacked. */
static bool name_ok(const char *name)
{
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return utf8_valid(str_of(name));
}

static bool walk_folder(struct walk *w, int folder, size_t len, int level, struct err *e);

static bool walk_entry(struct walk *w, int folder, const struct dirent *d, size_t len, int level,
                       struct err *e)
{
    int more = snprintf(w->path + len, sizeof w->path - len, "%s%s", len ? "/" : "", d->d_name);
    size_t now = len + (size_t)more;
    if (now >= sizeof w->path || ++w->entries > WALK_ENTRIES || level >= WALK_LEVELS ||
        !name_ok(d->d_name)) {
        w->report->files_cut = true;
        return true;
    }
    if (d->d_type == DT_REG)
        return take_file(w, e);
    if (d->d_type != DT_DIR)
        return true;
    CLEANUP(fd_close)
    int sub = openat(folder, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0)
        return !is_shortage(errno) || err_sys(e, "collect: open a folder");
    return walk_folder(w, sub, now, level + 1, e);
}

static bool walk_folder(struct walk *w, int folder, size_t len, int level, struct err *e)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *all = copy >= 0 ? fdopendir(copy) : NULL;
    if (!all) {
        fd_close(copy);
        return !is_shortage(errno) || err_sys(e, "collect: open a folder");
    }
    bool ok = true;
    for (struct dirent *d = readdir(all); d && ok; d = readdir(all)) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (w->entries > WALK_ENTRIES)
            break;
        ok = walk_entry(w, folder, d, len, level, e);
        w->path[len] = '\0';
    }
    closedir(all);
    return ok;
}

bool collect_files(struct lane *l, const struct plan *p, struct report *r, struct err *e)
{
    if (p->collect_count == 0)
        return true;
    struct walk *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    w->lane = l;
    w->plan = p;
    w->report = r;
    bool ok = walk_folder(w, l->space.box, 0, 0, e);
    free(w);
    return ok;
}
