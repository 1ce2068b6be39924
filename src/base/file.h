/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h - files and descriptors, relative to a folder's descriptor and close-on-exec.
 *
 * Threads: any.
 */
#ifndef EVALX_BASE_FILE_H
#define EVALX_BASE_FILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Read to the end, appending; fails with LIMIT when there are more than max bytes. */
MUST_USE bool fd_read_all(int fd, size_t max, struct buf *out, struct err *e);

/* Write all of it, going on after short writes and EINTR. */
MUST_USE bool fd_write_all(int fd, struct str bytes, struct err *e);

/* Read a whole file of at most max bytes. dir may be AT_FDCWD. errors: NOT_FOUND, LIMIT, SYSTEM */
MUST_USE bool file_read(int dir, const char *name, size_t max, struct buf *out, struct err *e);

/*
 * Replace a file so that a crash leaves the old or the new one: temporary name, fsync, rename,
 * fsync of the folder.
 */
MUST_USE bool file_replace(int dir, const char *name, struct str bytes, mode_t mode, struct err *e);

/* Open a folder, creating it and its parents where missing. -1 on error. */
MUST_USE int dir_open(const char *path, mode_t mode, struct err *e);

/*
 * A sealed memory file holding these bytes: nobody, holder of a writable descriptor included, can
 * change it any more. mode is what fchmod gives it (0444, or 0555 for programs). -1 on error.
 * Source: memfd_create(2), fcntl(2) F_ADD_SEALS.
 */
MUST_USE int memfd_of(const char *name, struct str bytes, mode_t mode, struct err *e);

/* Add the seals to a memory file that has been written. */
MUST_USE bool memfd_seal(int fd, struct err *e);

#endif
