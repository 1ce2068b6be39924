/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/zip.h"

#include <pthread.h>
#include <zstd.h>

enum { LEVEL = 3, IDLE_MOST = 8 };

struct dictionary {
    ZSTD_CDict *in;
    ZSTD_DDict *out;
};

/* The working memory of one call; kept for the next, since making it costs more than packing. */
struct worker {
    ZSTD_CCtx *in;
    ZSTD_DCtx *out;
    struct worker *next;
};

struct zip {
    struct dictionary *dictionaries;
    int count;

    pthread_mutex_t lock; /* guards what follows */
    struct worker *idle;
    int idle_count;
};

struct zip *zip_new(const struct str *dictionaries, int count)
{
    struct zip *z = calloc(1, sizeof *z);
    CHECK(z && count > 0 && count < 256);
    z->dictionaries = calloc((size_t)count, sizeof *z->dictionaries);
    CHECK(z->dictionaries);
    z->count = count;
    for (int i = 0; i < count; i++) {
        struct str d = dictionaries[i];
        z->dictionaries[i].in = ZSTD_createCDict(d.ptr, d.len, LEVEL);
        z->dictionaries[i].out = ZSTD_createDDict(d.ptr, d.len);
        CHECK(z->dictionaries[i].in && z->dictionaries[i].out);
    }
    pthread_mutex_init(&z->lock, NULL);
    return z;
}

static void worker_free(struct worker *w)
{
    ZSTD_freeCCtx(w->in);
    ZSTD_freeDCtx(w->out);
    free(w);
}

void zip_free(struct zip *z)
{
    if (!z)
        return;
    for (struct worker *w = z->idle, *next; w; w = next) {
        next = w->next;
        worker_free(w);
    }
    for (int i = 0; i < z->count; i++) {
        ZSTD_freeCDict(z->dictionaries[i].in);
        ZSTD_freeDDict(z->dictionaries[i].out);
    }
    free(z->dictionaries);
    pthread_mutex_destroy(&z->lock);
    free(z);
}

static struct worker *worker_get(struct zip *z)
{
    pthread_mutex_lock(&z->lock);
    struct worker *w = z->idle;
    if (w) {
        z->idle = w->next;
        z->idle_count--;
    }
    pthread_mutex_unlock(&z->lock);
    if (w)
        return w;

    w = calloc(1, sizeof *w);
    CHECK(w);
    w->in = ZSTD_createCCtx();
    w->out = ZSTD_createDCtx();
    CHECK(w->in && w->out);
    return w;
}

static void worker_put(struct zip *z, struct worker *w)
{
    pthread_mutex_lock(&z->lock);
    bool keep = z->idle_count < IDLE_MOST;
    if (keep) {
        w->next = z->idle;
        z->idle = w;
        z->idle_count++;
    }
    pthread_mutex_unlock(&z->lock);
    if (!keep)
        worker_free(w);
}

void zip_pack(struct zip *z, struct str bytes, struct buf *out)
{
    size_t room = ZSTD_compressBound(bytes.len);
    char *at = buf_reserve(out, room + 1);
    struct worker *w = worker_get(z);
    size_t size = ZSTD_compress_usingCDict(w->in, at + 1, room, bytes.ptr, bytes.len,
                                           z->dictionaries[z->count - 1].in);
    worker_put(z, w);
    if (!ZSTD_isError(size) && size < bytes.len) {
        at[0] = (char)z->count;
        out->len += size + 1;
        out->ptr[out->len] = '\0';
        return;
    }
    buf_add_char(out, 0);
    buf_add_str(out, bytes);
}

bool zip_unpack(struct zip *z, struct str packed, size_t most, struct buf *out, struct err *e)
{
    int number = packed.len ? (unsigned char)packed.ptr[0] : 256;
    if (number > z->count)
        return err_set(e, ERR_SYSTEM, "packed in a way this evalX does not know");
    struct str frame = { packed.ptr + 1, packed.len - 1 };
    if (number == 0) {
        if (frame.len > most)
            return err_set(e, ERR_SYSTEM, "%zu bytes where at most %zu may be", frame.len, most);
        buf_add_str(out, frame);
        return true;
    }

    unsigned long long size = ZSTD_getFrameContentSize(frame.ptr, frame.len);
    if (size > most) /* unknown and wrong ones are the largest numbers */
        return err_set(e, ERR_SYSTEM, "packed bytes are damaged, or more than %zu", most);
    char *at = buf_reserve(out, (size_t)size);
    struct worker *w = worker_get(z);
    size_t got = ZSTD_decompress_usingDDict(w->out, at, (size_t)size, frame.ptr, frame.len,
                                            z->dictionaries[number - 1].out);
    worker_put(z, w);
    if (ZSTD_isError(got) || got != size)
        return err_set(e, ERR_SYSTEM, "packed bytes are damaged: %s",
                       ZSTD_isError(got) ? ZSTD_getErrorName(got) : "too few");
    out->len += got;
    out->ptr[out->len] = '\0';
    return true;
}
