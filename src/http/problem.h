/* SPDX-License-Identifier: Apache-2.0 */
/*
 * problem.h - errors of the native face, as RFC 9457 problem details:
 *
 *   {"type":"urn:evalx:problem:invalid","title":"Invalid input","status":422,"code":"invalid",
 *    "detail":"limits.cpu_time_ms: must be ...","field":"limits.cpu_time_ms"}
 *
 * code is stable, detail is for people.
 */
#ifndef EVALX_HTTP_PROBLEM_H
#define EVALX_HTTP_PROBLEM_H

#include "http/request.h"

/* field may be NULL or "". */
void problem_reply(struct request *r, int status, const char *code, const char *field,
                   const char *fmt, ...) PRINTF(5, 6);

/* What an error of a floor below means to a client: the one table from kind to status. */
void problem_err(struct request *r, const struct err *e);

/* The status alone. */
int problem_status(enum err_kind kind);

#endif
