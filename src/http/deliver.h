/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver.h - results sent to addresses of the clients' choice: what is allowed, and the bodies.
 *
 * Threads: any; no state.
 */
#ifndef EVALX_HTTP_DELIVER_H
#define EVALX_HTTP_DELIVER_H

#include "http/request.h"

/* Whether a submission may name this URL; may_have_user: credentials may stand in it, as in
 * Judge0's callback_url. errors: INVALID */
MUST_USE bool deliver_url_check(const struct context *c, const char *url, bool may_have_user,
                                struct err *e);

/* Append the body of a delivery. r holds its job and result. */
void deliver_render(const struct context *c, enum delivery_kind kind, const struct record *r,
                    struct buf *out);

#endif
