/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errors.h - counts what a store could not do: evalx_store_errors_total. Answers such as "no such
 * record" or "it is final already" are no errors of the store.
 *
 * Threads: any.
 */
#ifndef EVALX_STORE_ERRORS_H
#define EVALX_STORE_ERRORS_H

#include "base/err.h"

struct store;

enum store_operation {
    STORE_ADMIT,
    STORE_SYNC,
    STORE_LOAD,
    STORE_FINISH,
    STORE_CANCEL,
    STORE_REMOVE,
    STORE_LIST,
    STORE_AMEND,
    STORE_REOPEN,
    STORE_SWEEP,
    STORE_RECOVER,
    STORE_DELIVER, /* everything about deliveries */
    STORE_OPERATIONS,
};

/* Every operation stands on the page from now on, with 0. */
void store_errors_start(void);

/* An operation failed with this; not of a store behind another one, which says it itself. */
void store_failed(const struct store *s, enum store_operation operation, const struct err *e);

#endif
