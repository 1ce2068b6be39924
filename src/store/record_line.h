/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record_line.h - a final record as one line of JSON, to be moved between databases:
 *
 *   {"record":1,"id":"...","seq":...,"state":"finished","attempts":1,"created_us":...,
 *    "started_us":...,"finished_us":...,"job":{...},"result":{...}}
 *
 * record is the version of the form; job and result are their stored forms. Threads: any.
 */
#ifndef EVALX_STORE_RECORD_LINE_H
#define EVALX_STORE_RECORD_LINE_H

#include "store/store.h"

/* Append the line, its end included. r has job and result. */
void record_to_line(const struct record *r, struct buf *out);

/* errors  INVALID: what is wrong with it; ret stays as it is */
MUST_USE bool record_from_line(struct str line, struct record *ret, struct err *e);

#endif
