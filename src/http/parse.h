/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.h - the parts of a request that we read ourselves: paths, query strings, form bodies.
 *
 * Everything lives in the caller's arena; names and values are decoded and valid UTF-8 (values may
 * hold NUL). Nothing here knows about sockets, so all of it is fuzzed.
 *
 * Threads: any; no state.
 */
#ifndef EVALX_HTTP_PARSE_H
#define EVALX_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct param {
    const char *name;
    struct str value; /* never NULL; ends in a zero byte */
};

struct params {
    struct param *items;
    size_t count;
};

/* The last value of that name, as later ones win; STR_NULL when there is none. */
struct str params_get(const struct params *p, const char *name);

enum { PARAMS_MAX = 512, SEGMENTS_MAX = 8 };

/*
 * "a=1&b=x%20y": a query string without its '?', or a form body. '+' is a space.
 *
 * errors  INVALID bad percent-encoding, not UTF-8, more than PARAMS_MAX; field is the name
 */
MUST_USE bool params_parse(struct str text, struct arena *arena, struct params *ret, struct err *e);

/*
 * A multipart/form-data body (RFC 7578); the values of parts that have a name.
 *
 * type    the whole Content-Type header, for its boundary
 * errors  INVALID
 */
MUST_USE bool multipart_parse(struct str body, const char *type, struct arena *arena,
                              struct params *ret, struct err *e);

/* A path cut at its slashes: "/v1/submissions/x/" is { "v1", "submissions", "x" }. */
struct path {
    const char *segments[SEGMENTS_MAX];
    size_t count;
};

/*
 * Empty segments (doubled and trailing slashes) are left out.
 *
 * errors  INVALID bad percent-encoding, a zero byte, not UTF-8; NOT_FOUND more than SEGMENTS_MAX
 */
MUST_USE bool path_parse(struct str text, struct arena *arena, struct path *ret, struct err *e);

/* Whether a Content-Type header names this media type, whatever its parameters. NULL: false. */
bool media_type_is(const char *header, const char *type);

#endif
