/* SPDX-License-Identifier: Apache-2.0 */
/*
 * artifact.c - files held in memory, and their form on disk.
 *
 * On disk: a line with the version, how the build went, the files, and the SHA-256 of all that.
 * Numbers are eight bytes, little end first; texts and contents are a length and their bytes. The
 * checksum makes a torn or damaged file a miss, so writing needs no fsync.
 */
#include "engine/artifact.h"

#include <endian.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"

static const struct str version = { "evalx-artifact-2\n", 17 };

enum { PAGE = 4096, FILE_LEAST = 3 * 8 /* on disk: two lengths and a mode */ };

struct artifact *artifact_new(void)
{
    struct artifact *a = calloc(1, sizeof *a);
    CHECK(a != NULL);
    atomic_init(&a->refs, 1);
    a->bytes = sizeof *a;
    return a;
}

struct artifact *artifact_ref(struct artifact *a)
{
    if (a)
        atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void artifact_unref(struct artifact *a)
{
    if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < a->file_count; i++)
        fd_close(a->files[i].fd);
    arena_done(&a->arena);
    free(a);
}

/* A memory file occupies whole pages, and an inode besides. */
static void add_file(struct artifact *a, const char *path, int fd, int64_t size, mode_t mode)
{
    a->files[a->file_count++] = (struct artifact_file){
        .path = arena_text(&a->arena, path), .fd = fd, .size = size, .mode = mode
    };
    a->bytes += (size + PAGE - 1) / PAGE * PAGE + PAGE / 4;
}

struct artifact *artifact_of_sources(const struct job *job, size_t first, struct err *e)
{
    CLEANUP(artifact_unref) struct artifact *a = artifact_new();
    a->compile.verdict = VERDICT_ACCEPTED;
    if (first >= job->file_count)
        return TAKE(a);
    a->files = arena_array(&a->arena, job->file_count - first, sizeof *a->files);
    for (size_t i = first; i < job->file_count; i++) {
        const struct job_file *file = &job->files[i];
        int fd = memfd_of("source", file->content, 0644, e);
        if (fd < 0) {
            err_add(e, "%s", file->path);
            return NULL;
        }
        add_file(a, file->path, fd, (int64_t)file->content.len, 0644);
    }
    return TAKE(a);
}

void artifact_take_files(struct artifact *a, struct report *report)
{
    a->files = arena_array(&a->arena, report->file_count, sizeof *a->files);
    for (size_t i = 0; i < report->file_count; i++) {
        struct report_file *file = &report->files[i];
        add_file(a, file->path, TAKE_FD(file->fd), file->size, file->mode);
    }
}

/* ---- writing ---- */

static void put_int(struct buf *out, int64_t value)
{
    uint64_t little = htole64((uint64_t)value);
    buf_add(out, &little, sizeof little);
}

static void put_str(struct buf *out, struct str s)
{
    put_int(out, (int64_t)s.len);
    buf_add_str(out, s);
}

static bool put_content(struct buf *out, const struct artifact_file *file, struct err *e)
{
    put_int(out, file->size);
    char *to = buf_reserve(out, (size_t)file->size);
    for (int64_t done = 0; done < file->size;) {
        ssize_t got = pread(file->fd, to + done, (size_t)(file->size - done), done);
        if (got < 0)
            return err_sys(e, "read %s", file->path);
        if (got == 0)
            return err_set(e, ERR_SYSTEM, "%s is shorter than it was", file->path);
        done += got;
    }
    out->len += (size_t)file->size;
    out->ptr[out->len] = '\0';
    return true;
}

static void checksum(struct str bytes, char out[HASH_TEXT])
{
    struct hash *h = hash_new();
    hash_add(h, bytes);
    hash_finish(h, out);
}

bool artifact_write(const struct artifact *a, struct buf *out, struct err *e)
{
    const struct outcome *c = &a->compile;
    buf_add_str(out, version);
    put_int(out, c->verdict != VERDICT_ACCEPTED);
    put_int(out, a->rusage_only);
    put_str(out, str_of(a->message));
    put_int(out, c->exit_code);
    put_int(out, c->cpu_us);
    put_int(out, c->wall_us);
    put_int(out, c->memory_bytes);
    put_int(out, c->out_cut);
    put_str(out, c->out);
    put_int(out, (int64_t)a->file_count);
    for (size_t i = 0; i < a->file_count; i++) {
        put_str(out, str_of(a->files[i].path));
        put_int(out, a->files[i].mode);
        if (!put_content(out, &a->files[i], e))
            return false;
    }
    char sum[HASH_TEXT];
    checksum(buf_str(out), sum);
    buf_add_text(out, sum);
    return true;
}

/* ---- reading ---- */

struct reader {
    struct str left;
    bool bad; /* something did not fit; values read since are 0 */
};

static int64_t get_int(struct reader *r)
{
    uint64_t little;
    if (r->bad || r->left.len < sizeof little) {
        r->bad = true;
        return 0;
    }
    memcpy(&little, r->left.ptr, sizeof little);
    r->left.ptr += sizeof little;
    r->left.len -= sizeof little;
    return (int64_t)le64toh(little);
}

static struct str get_str(struct reader *r)
{
    int64_t len = get_int(r);
    if (r->bad || len < 0 || (uint64_t)len > r->left.len) {
        r->bad = true;
        return STR_NULL;
    }
    struct str s = { r->left.ptr, (size_t)len };
    r->left.ptr += s.len;
    r->left.len -= s.len;
    return s;
}

static bool get_file(struct reader *r, struct artifact *a, struct err *e)
{
    struct str path = get_str(r);
    int64_t mode = get_int(r);
    struct str content = get_str(r);
    if (r->bad || path.len == 0 || memchr(path.ptr, '\0', path.len))
        return err_set(e, ERR_INVALID, "artifact: a file's head is damaged");
    int fd = memfd_of("artifact", content, (mode_t)mode & 0777, e);
    if (fd < 0)
        return false;
    add_file(a, arena_str(&a->arena, path).ptr, fd, (int64_t)content.len, (mode_t)mode & 0777);
    return true;
}

static bool checksum_holds(struct str bytes, struct str *body)
{
    if (bytes.len < version.len + HASH_TEXT - 1 || !str_starts(bytes, version.ptr))
        return false;
    struct str all = { bytes.ptr, bytes.len - (HASH_TEXT - 1) };
    char sum[HASH_TEXT];
    checksum(all, sum);
    if (memcmp(sum, all.ptr + all.len, HASH_TEXT - 1) != 0)
        return false;
    *body = (struct str){ all.ptr + version.len, all.len - version.len };
    return true;
}

static void get_compile(struct reader *r, struct artifact *a)
{
    struct outcome *c = &a->compile;
    c->verdict = get_int(r) ? VERDICT_COMPILE_ERROR : VERDICT_ACCEPTED;
    a->rusage_only = get_int(r) != 0;
    struct str message = get_str(r);
    a->message = message.len ? arena_str(&a->arena, message).ptr : NULL;
    c->exit_code = (int)get_int(r);
    c->cpu_us = get_int(r);
    c->wall_us = get_int(r);
    c->memory_bytes = get_int(r);
    c->out_cut = get_int(r) != 0;
    struct str out = get_str(r);
    c->out = out.len ? arena_str(&a->arena, out) : STR_NULL;
    a->bytes += (int64_t)out.len;
}

struct artifact *artifact_read(struct str bytes, struct err *e)
{
    struct reader r = { 0 };
    if (!checksum_holds(bytes, &r.left)) {
        err_set(e, ERR_INVALID, "artifact: the checksum does not hold");
        return NULL;
    }
    CLEANUP(artifact_unref) struct artifact *a = artifact_new();
    get_compile(&r, a);
    int64_t count = get_int(&r);
    if (r.bad || count < 0 || (uint64_t)count > r.left.len / FILE_LEAST) {
        err_set(e, ERR_INVALID, "artifact: the head is damaged");
        return NULL;
    }
    a->files = arena_array(&a->arena, (size_t)count, sizeof *a->files);
    for (int64_t i = 0; i < count; i++)
        if (!get_file(&r, a, e))
            return NULL;
    return TAKE(a);
}

struct outcome outcome_copy(const struct outcome *o, struct arena *arena)
{
    struct outcome copy = *o;
    copy.out = arena_str(arena, o->out);
    copy.err = arena_str(arena, o->err);
    copy.message = arena_text(arena, o->message);
    copy.limit = arena_text(arena, o->limit);
    if (o->file_count > 0)
        copy.files = arena_array(arena, o->file_count, sizeof *copy.files);
    for (size_t i = 0; i < o->file_count; i++) {
        copy.files[i] = o->files[i];
        copy.files[i].path = arena_text(arena, o->files[i].path);
        copy.files[i].content = arena_str(arena, o->files[i].content);
    }
    return copy;
}
