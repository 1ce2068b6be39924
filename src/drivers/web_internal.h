/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web_internal.h - what the files of the web driver share.
 *
 *   web_guard.c    addresses: public or not
 *   web_url.c      URLs, taken apart by the parser that also connects (libcurl's)
 *   web_resolve.c  names to addresses, on threads, so that nobody waits for a name server
 *   web_pool.c     many transfers at one time, and one (web_ask)
 *   web_after.c    Retry-After
 */
#ifndef EVALX_DRIVERS_WEB_INTERNAL_H
#define EVALX_DRIVERS_WEB_INTERNAL_H

#include <curl/curl.h>
#include <sys/socket.h>

#include "drivers/web.h"

enum { WEB_ADDRESSES = 8, WEB_HOST = 256, WEB_URL = 2048 };

/*
 * Addresses of a host, in the order to try them; ports are left 0. Blocks.
 *
 * ret      how many of max were filled; 0: see e
 * errors   UNAVAILABLE
 */
typedef int (*web_resolve_fn)(void *arg, const char *host, struct sockaddr_storage *out, int max,
                              struct err *e);

/* For tests: names are resolved by this function instead of getaddrinfo(3). */
void web_guard_resolve_with(struct web_guard *g, web_resolve_fn resolve, void *arg);
/* NULL: getaddrinfo. */
web_resolve_fn web_guard_resolver(const struct web_guard *g, void **ret_arg);

/* ---- web_url.c ---- */

struct web_target {
    CURLU *url;
    char host[WEB_HOST]; /* lower case, no brackets, no dot at the end */
    int port;
    bool tls;
    bool literal; /* host is an address; then it is in address */
    struct sockaddr_storage address;
};
void web_target_done(struct web_target *t);
CLEANUP_FOR_STRUCT(struct web_target, web_target_done)

/* errors: INVALID */
MUST_USE bool web_target_read(const char *url, struct web_target *ret, struct err *e);

/* ---- web_resolve.c ---- */

struct web_resolver;
struct web_lookup;

/* Called from a thread of the resolver; must not block. count 0: see e. */
typedef void (*web_found_fn)(void *arg, const struct sockaddr_storage *addresses, int count,
                             const struct err *e);

struct web_resolver *web_resolver_new(void);
/* Does not wait for name servers: threads that ask one end by themselves. */
void web_resolver_free(struct web_resolver *r);

/*
 * Begin; found is called once, unless web_resolver_forget() comes first.
 *
 * slot  the owner's handle of the lookup, NULL again as soon as it is over; written under a lock of
 *       the resolver's, so only ever given back to web_resolver_forget()
 */
void web_resolver_find(struct web_resolver *r, const char *host, web_resolve_fn resolve,
                       void *resolve_arg, web_found_fn found, void *arg, struct web_lookup **slot);
/* After it returns found is not called any more. */
void web_resolver_forget(struct web_resolver *r, struct web_lookup **slot);

/* ---- web_after.c ---- */

/* The value of a Retry-After header, as time from now on: seconds or a date (RFC 9110, 10.2.3).
 * now_us: wall clock. -1: it says neither. */
int64_t web_retry_after(struct str value, int64_t now_us);

#endif
