/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backtracking only to the last '*' and the last "**": an earlier star never needs to give back
 * what a later one of the same kind could take, so the work is bounded by the product of lengths.
 */
#include "sandbox/pattern.h"

#include <stddef.h>
#include <string.h>

/* One of "[...]"; *next is behind it. A '[' that is never closed stands for itself. */
static bool match_set(const char *p, char c, const char **next)
{
    const char *first = p + (p[1] == '!' ? 2 : 1); /* a ']' here is one of the set */
    const char *end = *first ? strchr(first + 1, ']') : NULL;
    if (!end) {
        *next = p + 1;
        return c == '[';
    }
    bool negated = p[1] == '!', found = false;
    for (const char *s = first; s < end; s++) {
        if (s + 2 < end && s[1] == '-') {
            found = found || ((unsigned char)c >= (unsigned char)s[0] &&
                              (unsigned char)c <= (unsigned char)s[2]);
            s += 2;
        } else {
            found = found || *s == c;
        }
    }
    *next = end + 1;
    return found != negated && c != '/';
}

/* One character of the pattern against one of the path. */
static bool match_one(const char *p, char c, const char **next)
{
    *next = p + 1;
    if (*p == '?')
        return c != '/';
    if (*p == '[')
        return match_set(p, c, next);
    return *p == c;
}

struct retry {
    const char *pattern; /* behind the star; NULL: there was none */
    const char *path;    /* where to go on after it took one more */
    bool folders;        /* "**" and a slash: takes whole folders only */
};

/* Where a "**" goes on after taking more; NULL when nothing is left to take. */
static const char *take_more(const struct retry *r)
{
    if (!r->pattern || !*r->path)
        return NULL;
    if (!r->folders)
        return r->path + 1;
    const char *slash = strchr(r->path, '/');
    return slash ? slash + 1 : NULL;
}

bool pattern_match(const char *pattern, const char *path)
{
    struct retry star = { 0 }, stars = { 0 };
    while (*path || *pattern) {
        const char *next, *more;
        if (pattern[0] == '*' && pattern[1] == '*') {
            bool folders = pattern[2] == '/'; /* also matches no folder at all */
            pattern += folders ? 3 : 2;
            stars = (struct retry){ pattern, path, folders };
            star = (struct retry){ 0 };
            continue;
        }
        if (*pattern == '*') {
            star = (struct retry){ ++pattern, path, false };
            continue;
        }
        if (*path && *pattern && match_one(pattern, *path, &next)) {
            pattern = next;
            path++;
            continue;
        }
        if (star.pattern && *star.path && *star.path != '/') {
            pattern = star.pattern;
            path = ++star.path;
        } else if ((more = take_more(&stars))) {
            pattern = stars.pattern;
            path = stars.path = more;
            star = (struct retry){ 0 };
        } else {
            return false;
        }
    }
    return true;
}
