/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip.h - short texts that resemble each other, made small: zstd with a text of their kind as the
 * dictionary, which brings 500 bytes of JSON to 150 where plain zstd gets to 400.
 *
 * Layout   one byte: the number of the dictionary (0: stored as it is), then a zstd frame (RFC
 * 8878) whose header tells the size. So a dictionary must never be changed: a new one gets a new
 *          number, and the old one stays to read what was packed with it.
 * Threads  any, for every call.
 */
#ifndef EVALX_DRIVERS_ZIP_H
#define EVALX_DRIVERS_ZIP_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

struct zip;

/* dictionaries: 1 to count, borrowed for ever; the last one packs. */
struct zip *zip_new(const struct str *dictionaries, int count);
void zip_free(struct zip *z);
CLEANUP_FOR(struct zip *, zip_free)

/* Append bytes, packed; never more than one byte larger. */
void zip_pack(struct zip *z, struct str bytes, struct buf *out);

/*
 * Append what was packed.
 * errors  SYSTEM damaged, of a dictionary we do not know, or larger than most bytes
 */
MUST_USE bool zip_unpack(struct zip *z, struct str packed, size_t most, struct buf *out,
                         struct err *e);

#endif
