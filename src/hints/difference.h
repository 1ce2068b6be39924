/* SPDX-License-Identifier: Apache-2.0 */
/*
 * difference.h - in what an output differs from the expected one: pure comparison.
 *
 * What it says is the kind and a line of the output, never a part of the expected text: that may be
 * a secret.
 */
#ifndef EVALX_HINTS_DIFFERENCE_H
#define EVALX_HINTS_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* From the surest to the vaguest: the first that holds is the answer. */
enum difference {
    DIFF_NONE,
    DIFF_NO_OUTPUT,     /* nothing but white space was printed */
    DIFF_NO_NEWLINE,    /* only the line break at the very end is missing */
    DIFF_EXTRA_NEWLINE, /* there are more line breaks at the end than expected */
    DIFF_TRAILING,      /* only white space at the ends of lines differs */
    DIFF_BLANK_LINES,   /* the same but for empty lines */
    DIFF_SPACES,        /* the same words in the same lines, other spaces between them */
    DIFF_LINE_BREAKS,   /* the same words, otherwise split into lines */
    DIFF_JOINED,        /* the same characters but for all white space */
    DIFF_CASE,          /* the same but for upper and lower case */
    DIFF_PUNCTUATION,   /* the same but for punctuation */
    DIFF_NUMBER_FORMAT, /* numbers equal in value, written otherwise: 5 and 5.0 */
    DIFF_CUT_OFF,       /* numbers are the expected ones without their fraction */
    DIFF_ROUNDING,      /* numbers nearly equal */
    DIFF_OVERFLOW,      /* numbers are the expected ones modulo 2^32 */
    DIFF_SIGN,          /* numbers have the other sign */
    DIFF_OFF_BY_ONE,    /* numbers are one too large, or one too small */
    DIFF_LINE_ORDER,    /* the same lines in another order */
    DIFF_WORD_ORDER,    /* the same words in another order */
    DIFF_NONE_PRINTED,  /* lines "None" beside the expected ones */
    DIFF_PROMPT,        /* the expected text behind other text in its line */
    DIFF_TOO_SHORT,     /* the expected beginning, then nothing */
    DIFF_TOO_LONG,      /* the expected text, then more */
    DIFF_EXTRA_LINES,   /* the expected lines with others between them */
    DIFF_TYPO,          /* one line differs, by a letter or two */
    DIFF_LAST_LINE,     /* all but the last line is right */
    DIFF_FIRST_LINE,    /* not even the first line is right */
    DIFF_OTHER,         /* from some line on */
    DIFF_COUNT,
};

struct difference_found {
    enum difference kind;
    size_t line; /* of the output, from 1: where they part; 0: unknown */
    bool sure;   /* false: the texts are too long to be looked at whole */
};

struct difference_found difference_find(struct str expected, struct str output);

/* "case", "line_order", ...: as pattern files name them. DIFF_NONE when there is no such name. */
const char *difference_name(enum difference d);
enum difference difference_named(struct str name);

#endif
