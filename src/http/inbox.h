/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inbox.h - a small HTTP server with one function for everything: for developers who want to see
 * the webhooks that come. No access control; bodies are read whole and bounded.
 */
#ifndef EVALX_HTTP_INBOX_H
#define EVALX_HTTP_INBOX_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

struct letter {
    const char *method, *target;
    struct str body;
    void *connection;
};

/* A request header; name in any case. NULL when absent. */
const char *letter_header(const struct letter *l, const char *name);

/* Returns the status to answer with. Called from one thread, one request at a time. */
typedef int (*inbox_fn)(void *arg, const struct letter *l);

struct inbox;

/* errors: INVALID listen is no address; SYSTEM it cannot be bound */
MUST_USE struct inbox *inbox_start(const char *listen, size_t body_bytes_max, inbox_fn fn,
                                   void *arg, struct err *e);
int inbox_port(const struct inbox *b);
/* Accepts NULL. */
void inbox_stop(struct inbox *b);
CLEANUP_FOR(struct inbox *, inbox_stop)

#endif
