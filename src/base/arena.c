/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct arena_block {
    struct arena_block *older;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

enum { BLOCK_BYTES = 4096 - sizeof(struct arena_block) };

void arena_done(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *older; b; b = older) {
        older = b->older;
        free(b);
    }
    a->blocks = NULL;
}

static struct arena_block *add_block(struct arena *a, size_t size)
{
    CHECK(size < SIZE_MAX / 2);
    struct arena_block *b = calloc(1, sizeof *b + size);
    CHECK(b);
    b->size = size;

    /* A big block goes behind the current one, so that the rest of that is still used. */
    if (a->blocks && size > BLOCK_BYTES) {
        b->older = a->blocks->older;
        a->blocks->older = b;
    } else {
        b->older = a->blocks;
        a->blocks = b;
    }
    return b;
}

void *arena_get(struct arena *a, size_t size)
{
    CHECK(size < SIZE_MAX / 2);
    size_t step = (MAX(size, 1) + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    struct arena_block *b = a->blocks;
    if (!b || b->size - b->used < step)
        b = add_block(a, MAX(step, (size_t)BLOCK_BYTES));
    void *at = b->bytes + b->used;
    b->used += step;
    return at;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    CHECK(!__builtin_mul_overflow(count, size, &bytes));
    return arena_get(a, bytes);
}

struct str arena_str(struct arena *a, struct str s)
{
    if (!s.ptr)
        return STR_NULL;
    char *copy = arena_get(a, s.len + 1);
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return (struct str){ copy, s.len };
}

char *arena_text(struct arena *a, const char *text)
{
    if (!text)
        return NULL;
    size_t len = strlen(text);
    char *copy = arena_get(a, len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(len >= 0);
    char *text = arena_get(a, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}
