/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web.h - HTTP requests to addresses other people chose (webhooks) or the operator did (a language
 * model, our own command line). Over libcurl.
 *
 * Promise   with a guard, nothing is ever sent to an address that is not public or allowed: the
 *           name is resolved once, every address looked at (mapped, translated and tunnelled IPv6
 *           unwrapped: RFC 4291, 6052, 3056, 4380; special-purpose registries of RFC 6890), the
 *           connection pinned to what was looked at. Only http and https, no redirects, no
 *           credentials in URLs, no proxies from the environment, bounded time and bytes.
 * Threads   web_ask() any; a web_pool belongs to its one thread, but for web_pool_wake().
 */
#ifndef EVALX_DRIVERS_WEB_H
#define EVALX_DRIVERS_WEB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

/* Networks as CIDR; a guard lets through what is public or in one of them. */
struct web_guard;
/* texts: NULL-ended, "10.0.0.0/8", "fd00::/8", "127.0.0.1". errors: INVALID naming the text */
MUST_USE struct web_guard *web_guard_new(const char *const *texts, struct err *e);
void web_guard_free(struct web_guard *g);
CLEANUP_FOR(struct web_guard *, web_guard_free)

/* Whether an address may be sent to; why not is said in e (INVALID). */
MUST_USE bool web_guard_allows(const struct web_guard *g, const struct sockaddr *address,
                               struct err *e);

/* What can be said of a URL without resolving it: scheme, credentials, length, literal addresses in
 * any notation. For refusing a submission at once. errors: INVALID */
MUST_USE bool web_url_check(const struct web_guard *g, const char *url, struct err *e);

/* Whom it goes to, "host:port": the key of bounds per receiver. False: it is no URL we send to.
 * out: 264 bytes suffice */
MUST_USE bool web_url_receiver(const char *url, char *out, size_t size);

/*
 * Take "name:password" out of a URL that may hold it (Judge0's callbacks), for an Authorization
 * header. Both are appended; user stays empty when there is none. False: it is no URL.
 */
MUST_USE bool web_url_take_user(const char *url, struct buf *plain, struct buf *user);

struct web_request {
    const char *method; /* "GET", "POST", "PUT", "DELETE" */
    const char *url;
    const char *const *headers;    /* "Name: value", NULL-ended; or NULL */
    struct str body;               /* borrowed until the end */
    int64_t timeout_us;            /* everything; 0: 10 s */
    size_t answer_max;             /* more of the answer's body is not read; 0: 64 KiB */
    const struct web_guard *guard; /* NULL: any address; borrowed until the end */
    const char *ca_file;           /* PEM file of authorities to trust; NULL: the system's */
};

struct web_answer {
    int status;             /* 0: none came, or not the whole head of it */
    struct buf body;        /* what came of it */
    bool cut;               /* there was more than answer_max */
    int64_t retry_after_us; /* of the header, seconds or date; -1: none */
    int64_t took_us;
};
void web_answer_done(struct web_answer *a);
CLEANUP_FOR_STRUCT(struct web_answer, web_answer_done)

/*
 * Send, and wait for the answer. Any status is an answer.
 * errors  INVALID the URL or its address may not be sent to; UNAVAILABLE resolving, connecting,
 * TLS, time-out: the sentence says which
 */
MUST_USE bool web_ask(const struct web_request *request, struct web_answer *ret, struct err *e);

/* ---- many at one time ---- */

struct web_pool;
/* The answer is the callee's to read during the call. e: NULL, or why it is not whole; the status
 * may be there still, when it was the body that did not end. */
typedef void (*web_done_fn)(void *arg, const struct web_answer *a, const struct err *e);

MUST_USE struct web_pool *web_pool_new(struct err *e);
void web_pool_free(struct web_pool *p); /* what is under way ends without a call */
/* Texts and body of the request are copied. done: from web_pool_run(), never inside this call. */
void web_pool_send(struct web_pool *p, const struct web_request *request, web_done_fn done,
                   void *arg);
/* Let transfers go on for at most wait_us, or until web_pool_wake(). Resolving does not block. */
void web_pool_run(struct web_pool *p, int64_t wait_us);
void web_pool_wake(struct web_pool *p); /* any thread */

#endif
