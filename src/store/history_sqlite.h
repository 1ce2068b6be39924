/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history_sqlite.h - the final records of a store_sqlite file, read and written from beside it: to
 * move a history to another database or back. A server may have the file open.
 *
 * Threads: one at a time.
 */
#ifndef EVALX_STORE_HISTORY_SQLITE_H
#define EVALX_STORE_HISTORY_SQLITE_H

#include "store/store.h"

struct history_sqlite;

/*
 * retention_us  as store_config's
 * errors        NOT_FOUND no such file; SYSTEM it is none of ours, or of another version
 */
MUST_USE struct history_sqlite *history_sqlite_open(const char *path, int64_t retention_us,
                                                    struct err *e);
/* Accepts NULL. */
void history_sqlite_close(struct history_sqlite *h);
CLEANUP_FOR(struct history_sqlite *, history_sqlite_close)

/*
 * As history_ops.put: all or none, durable on return. What is there and not final stays as it is;
 * nobody is told by webhook.
 */
MUST_USE bool history_sqlite_put(struct history_sqlite *h, const struct record *records, size_t n,
                                 struct err *e);

/*
 * Final records older than before_seq (0: all), newest first, at most limit, with job and result;
 * without those that are to be forgotten. What cannot be read is skipped, and said to bad.
 */
MUST_USE bool history_sqlite_list(struct history_sqlite *h, int64_t before_seq, int limit,
                                  void (*fn)(void *arg, struct record *r, int64_t seq),
                                  void (*bad)(void *arg, const struct err *e, int64_t seq),
                                  void *arg, struct err *e);

#endif
