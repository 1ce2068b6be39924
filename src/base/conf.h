/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - settings from the environment, described by one table.
 *
 * The table says a setting's name, type, place, default and meaning; from it the values are read,
 * and --help, the reference page and the sample environment file are printed. A wrong value or an
 * unknown variable with our prefix stops the start with a sentence that names it. A setting marked
 * secret may also come from a file named by NAME_FILE.
 *
 * Threads: call at start, before the first one.
 */
#ifndef EVALX_BASE_CONF_H
#define EVALX_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum conf_type {
    CONF_TEXT,   /* const char *; an empty value is NULL */
    CONF_WORDS,  /* const char **, NULL-ended, split at spaces and commas; never NULL */
    CONF_INT,    /* int64_t */
    CONF_BOOL,   /* bool: true, false, 1, 0, yes, no, on, off */
    CONF_TIME,   /* int64_t, microseconds; "5" is seconds, or with us, ms, s, min, h, d */
    CONF_BYTES,  /* int64_t; or with KiB, MiB, GiB (K, M, G mean the same) */
    CONF_CHOICE, /* int: index into choices */
};

struct conf_item {
    const char *name; /* without the prefix */
    enum conf_type type;
    size_t offset;        /* in the settings struct */
    const char *fallback; /* as somebody would write it; NULL: empty */
    const char *help;     /* one line */
    const char *choices;  /* CONF_CHOICE: "auto v1 v2" */
    int64_t least, most;  /* numbers: when most is not 0, the range; inside units */
    bool secret;
};

struct conf_table {
    const char *prefix; /* "EVALX_"; or "--" for options written as --name=value */
    const struct conf_item *items;
    size_t count;
    bool strict;           /* an unknown variable with the prefix is an error */
    const char *listed_by; /* the command that lists them, for that error */
};

/*
 * Fill settings: defaults first, then environ's values.
 *
 * arena   holds the texts
 * set     NULL, or count flags: which items came from the environment
 * errors  INVALID: field is the variable's name
 */
MUST_USE bool conf_load(const struct conf_table *table, char *const *environment, void *settings,
                        struct arena *arena, bool *set, struct err *e);

enum conf_style {
    CONF_HELP,     /* for --help */
    CONF_MARKDOWN, /* a table for the reference page */
    CONF_ENV,      /* a commented environment file */
    CONF_VALUES,   /* NAME=value and where it came from; secrets hidden */
};

/* Append the table in a style; settings and set are used by CONF_VALUES alone. */
void conf_print(const struct conf_table *table, enum conf_style style, const void *settings,
                const bool *set, struct buf *out);

#endif
