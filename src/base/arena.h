/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - memory that ends with its job or its request.
 *
 * Everything allocated from an arena is freed at once by arena_done(); nothing is freed alone. A
 * zeroed struct is a valid empty arena. Memory comes zeroed and aligned for any type. Running out
 * of memory aborts; sizes that users choose are bounded before they get here.
 *
 * Threads: one at a time; what was allocated may be read by any.
 */
#ifndef EVALX_BASE_ARENA_H
#define EVALX_BASE_ARENA_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/str.h"

struct arena {
    struct arena_block *blocks; /* newest first */
};

void arena_done(struct arena *a);
CLEANUP_FOR_STRUCT(struct arena, arena_done)

/* size bytes, zeroed. Never NULL. */
void *arena_get(struct arena *a, size_t size);

/* count elements of size bytes, zeroed; aborts when the product overflows. Never NULL. */
void *arena_array(struct arena *a, size_t count, size_t size);

/* A copy with a closing zero. STR_NULL stays STR_NULL. */
struct str arena_str(struct arena *a, struct str s);

/* A copy as a C string; NULL stays NULL. */
char *arena_text(struct arena *a, const char *text);

char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

#endif
