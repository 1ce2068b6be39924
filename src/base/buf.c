/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_done(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){ 0 };
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->ptr)
        b->ptr[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t more)
{
    CHECK(more < SIZE_MAX / 4 && b->len < SIZE_MAX / 4);
    size_t need = b->len + more + 1;
    if (need > b->capacity) {
        size_t capacity = MAX(MAX(b->capacity * 2, need), 64);
        char *ptr = realloc(b->ptr, capacity);
        CHECK(ptr);
        b->ptr = ptr;
        b->capacity = capacity;
    }
    b->ptr[b->len] = '\0';
    return b->ptr + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
    char *at = buf_reserve(b, len);
    if (len)
        memcpy(at, bytes, len);
    b->len += len;
    b->ptr[b->len] = '\0';
}

void buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.ptr, s.len);
}

void buf_add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(len >= 0);

    char *at = buf_reserve(b, (size_t)len);
    vsnprintf(at, (size_t)len + 1, fmt, again);
    va_end(again);
    b->len += (size_t)len;
}

struct str buf_str(const struct buf *b)
{
    return (struct str){ b->ptr ? b->ptr : "", b->len };
}
