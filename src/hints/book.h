/* SPDX-License-Identifier: Apache-2.0 */
/* book.h - the pattern files as they lie in memory. Internal to hints/. */
#ifndef EVALX_HINTS_BOOK_H
#define EVALX_HINTS_BOOK_H

#include <stdint.h>

#include "base/arena.h"
#include "hints/hints.h"
#include "hints/regex.h"

/* What expressions are matched with. */
enum text_kind {
    TEXT_COMPILE, /* the compiler's output; of a failed build one error of it */
    TEXT_STDERR,
    TEXT_STDOUT,
    TEXT_SOURCE,
    TEXT_COUNT,
};

enum phase {
    PHASE_COMPILE,
    PHASE_RUN,
};

/* Words and what they belong to: functions and their header, names and their module. */
struct table_entry {
    const char *key;          /* "<stdio.h>" */
    const char *const *words; /* NULL-ended */
};

struct table {
    const char *name;
    const struct table_entry *entries;
    size_t count;
};

struct pattern {
    const char *id, *title, *link; /* link NULL: none */
    const char *confidence;        /* "certain", "likely", "guess" */

    /* Wordings, tried in this order; NULL: not given. One is taken when all its places can be
     * filled: {near} a name like the one in the group "name", {found} the key of its table. */
    const char *near, *found, *text, *plain;
    const struct table *table; /* where {found} is looked up; or NULL */
    const struct table *names; /* further candidates for {near}; or NULL */

    bool fallback; /* only when nothing else has matched */
    bool also;     /* stands beside others; without it the first match ends the search */

    /* Conditions; all that are given must hold. */
    enum phase phase;
    uint32_t verdicts;                /* 1u << verdict; 0: any */
    const char *limit;                /* NULL: any */
    uint64_t signals;                 /* 1 << number; 0: any */
    uint64_t exits[4];                /* one bit for each of 256 */
    bool any_exit;                    /* exits is not a condition */
    int idle;                         /* 1: computed little while it ran; 0: did not; -1: any */
    uint64_t differences;             /* 1 << enum difference; 0: any */
    struct regex *match[TEXT_COUNT];  /* NULL: any */
    struct regex *absent[TEXT_COUNT]; /* must not match */
};

struct pattern_file {
    const char *name;             /* "python.yaml" */
    const char *const *languages; /* NULL-ended; empty: all */
    size_t language_count;
    struct regex *error; /* where an error begins in the compiler's output; or NULL */
    struct regex *where; /* finds the group "line" in stderr; or NULL */
    bool where_last;     /* its last match counts, not the first */
    const struct table *tables;
    size_t table_count;
    struct pattern *patterns;
    size_t count;
};

struct hint_book {
    struct arena arena;         /* all but the expressions */
    struct pattern_file *files; /* those of fewer languages first */
    size_t count;
};

enum { PATTERN_FILE_BYTES = 512 * 1024 };

/*
 * Read one file.
 *
 * ret     texts in arena; expressions are the caller's to free, also on failure: see
 *         pattern_file_done()
 * errors  INVALID with file, line and key
 */
MUST_USE bool pattern_file_parse(const char *name, struct str bytes, struct arena *arena,
                                 struct pattern_file *ret, struct err *e);
void pattern_file_done(struct pattern_file *f);

#endif
