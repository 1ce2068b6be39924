/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privilege.h - from root to an ordinary user, before a socket is opened to the world.
 */
#ifndef EVALX_MAIN_PRIVILEGE_H
#define EVALX_MAIN_PRIVILEGE_H

#include "base/err.h"

/*
 * Open the data folder (creating it, 0700) and, when root, hand it to the user and become that user
 * for good: groups, ids, no way back, no new privileges by exec. A process that is not root only
 * opens the folder.
 *
 * user    name, or NULL: "evalx" where it exists, else "nobody"
 * ret     the folder's descriptor, -1 on error
 * errors  INVALID no such user; SYSTEM
 * source  setresuid(2), credentials(7)
 */
MUST_USE int data_dir_and_drop_root(const char *data_dir, const char *user, struct err *e);

/* The second half alone, for commands that keep no data. */
MUST_USE bool drop_root(const char *user, struct err *e);

#endif
