/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - owned bytes that grow.
 *
 * May hold zero bytes (programs print them) and always has one more behind its end, so ptr of a
 * used buf is also a C string. A zeroed struct is a valid empty buf. Running out of memory aborts:
 * sizes that users choose are bounded before they get here.
 *
 * Threads: one at a time.
 */
#ifndef EVALX_BASE_BUF_H
#define EVALX_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/str.h"

struct buf {
    char *ptr;       /* NULL until the first byte */
    size_t len;      /* bytes in use, the closing zero not counted */
    size_t capacity; /* bytes allocated */
};

void buf_done(struct buf *b);
CLEANUP_FOR_STRUCT(struct buf, buf_done)

/* Forget the contents, keep the memory. */
void buf_reset(struct buf *b);

/* Room for at least more bytes behind len; returns where they start. */
char *buf_reserve(struct buf *b, size_t more);

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_add_str(struct buf *b, struct str s);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

/* Borrowed view; never NULL inside, an empty buf gives "". */
struct str buf_str(const struct buf *b);

#endif
