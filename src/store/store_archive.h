/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_archive.h - a store in front of a history: what can be asked of it beyond store.h.
 *
 * s is always one that store_archive_open() made. Threads: any.
 */
#ifndef EVALX_STORE_ARCHIVE_H
#define EVALX_STORE_ARCHIVE_H

#include "store/store.h"

/*
 * Ask the history now. detail: its version, rows and size; or since when it is away and why, or
 * which submissions it cannot take. fix: what an operator can do, "" when all is well.
 *
 * ret   all is well. When not, submissions go on nevertheless
 */
bool store_archive_health(struct store *s, char *detail, size_t detail_size, char *fix,
                          size_t fix_size);

/* Wait until what is final now is in the history, but for what it cannot take. False: it took
 * longer. For tests, and for whoever wants to see it done. */
MUST_USE bool store_archive_settle(struct store *s, int64_t wait_us);

#endif
