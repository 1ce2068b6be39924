/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - what went wrong with evalX, as a value.
 *
 * A fixed-size struct: no allocation, works when memory is gone, crosses the sandbox pipe in one
 * write. Functions that can fail return bool (or a pointer, or enum got) and fill the caller's
 * struct err; outputs change only on success. Each caller may put its own place in front with
 * err_add(). What happened to a user's program is never an err: that is a verdict (job/verdict.h).
 *
 * Threads: a struct err belongs to one thread at a time; the functions touch nothing else.
 */
#ifndef EVALX_BASE_ERR_H
#define EVALX_BASE_ERR_H

#include <stdbool.h>

#include "base/attr.h"

enum err_kind {
    ERR_NONE = 0,
    ERR_INVALID,     /* the input is wrong; the text names the field and the fix */
    ERR_NOT_FOUND,   /* no such thing */
    ERR_CONFLICT,    /* it exists already, or is in another state */
    ERR_LIMIT,       /* a bound was reached: queue full, body too large */
    ERR_UNAVAILABLE, /* a part we need is away; trying again may help */
    ERR_SYSTEM,      /* the kernel, a file, the network said no */
    ERR_BUG,         /* ours */
};

struct err {
    enum err_kind kind;
    int sys;        /* errno where it happened, or 0 */
    char field[64]; /* ERR_INVALID: which part of the input, such as "tests[3].stdin"; or "" */
    char text[240]; /* "languages: open python.yaml: Permission denied" */
};

/* Three answers where finding nothing is no error. */
enum got {
    GOT_FAILED = -1,
    GOT_NONE = 0,
    GOT_ONE = 1,
};

/* Fill e with kind and a sentence. Always returns false, so callers can `return err_set(...)`. */
bool err_set(struct err *e, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);

/* As err_set(ERR_INVALID), and say which field of the input it is about. */
bool err_invalid(struct err *e, const char *field, const char *fmt, ...) PRINTF(3, 4);

/* As err_set(ERR_SYSTEM) with errno: its text is appended after ": ". Always false. */
bool err_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* The same for an error number that is not in errno. */
bool err_sysno(struct err *e, int sys, const char *fmt, ...) PRINTF(3, 4);

/*
 * Put the caller's place in front of the text: "start: " + what was there. When the text is full
 * the context gives way, never the cause. Always returns false.
 */
bool err_add(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Empty again. */
void err_reset(struct err *e);

/* A short stable word for a kind: "invalid", "not_found", ... Never NULL. */
const char *err_kind_name(enum err_kind kind);

#endif
