/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h - how much memory programs may be promised together.
 *
 * The machine's memory or the limit of a control group (v1 or v2) above this process, whichever is
 * less, without a reserve for everybody else.
 */
#ifndef EVALX_ENGINE_MEMORY_H
#define EVALX_ENGINE_MEMORY_H

#include <stdint.h>

/* root: "" or, in tests, a folder with proc/ and sys/ in it. Always above 0. */
int64_t memory_for_runs(const char *root);

#endif
