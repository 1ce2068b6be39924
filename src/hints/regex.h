/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex.h - PCRE2 behind our words, for patterns of ours over text of strangers.
 *
 * The subject is untrusted: any bytes are safe (what is no UTF-8 matches nothing), and a match that
 * takes too many steps, too deep or too much memory is no match.
 *
 * Threads: a regex is const once made and may be used by any; a matcher belongs to one.
 */
#ifndef EVALX_HINTS_REGEX_H
#define EVALX_HINTS_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

struct regex;
struct matcher;

/* Where a match and its groups lie in the subject. */
enum { REGEX_GROUPS = 10 };
struct groups {
    const struct regex *regex;   /* NULL: nothing has matched */
    struct str at[REGEX_GROUPS]; /* 0 is the whole; ptr NULL: the group has no part in it */
};

/*
 * Compile; ^ and $ match at lines, . does not match their ends.
 *
 * errors  INVALID with PCRE2's words and the place in the pattern
 */
MUST_USE struct regex *regex_new(const char *pattern, struct err *e);
void regex_free(struct regex *r);
CLEANUP_FOR(struct regex *, regex_free)

/* Number of the group called so, 1 at least; 0: there is none. */
size_t regex_group(const struct regex *r, const char *name);
/* How many groups it has. */
size_t regex_group_count(const struct regex *r);

struct matcher *matcher_new(void);
void matcher_free(struct matcher *m);
CLEANUP_FOR(struct matcher *, matcher_free)

/* Find the first match from this offset on. ret (may be NULL) is set on true alone. */
bool regex_find(const struct regex *r, struct matcher *m, struct str subject, size_t from,
                struct groups *ret);

#endif
