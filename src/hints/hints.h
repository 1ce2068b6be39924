/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hints.h - a sentence or two on why a program failed, which a learner understands.
 *
 * Hints come from the pattern files of hints/ (format: docs/hints.md): conditions on the verdict,
 * the limit, the signal and the kind of difference, and regular expressions over what the compiler
 * and the program printed and over the source. The first error counts: what follows it in the same
 * compilation is often its consequence. There are at most HINTS_MOST, none for a program that was
 * accepted, and none that takes the place of what was printed.
 *
 * Secrets   the expected output and the input of a test never stand in a hint: a word that the
 *           program printed is shown only if it is a name in its source.
 * Bounds    untrusted text: every match is limited in steps, depth and memory, and only the first
 *           or the last 64 KiB of a text are looked at.
 * Threads   a book is const once loaded and may be used by any.
 */
#ifndef EVALX_HINTS_HINTS_H
#define EVALX_HINTS_HINTS_H

#include "base/cleanup.h"
#include "base/err.h"
#include "job/job.h"
#include "job/result.h"

enum { HINTS_MOST = 3 };

struct hint_book;

/*
 * Read a folder of *.yaml.
 *
 * folder  NULL: beside the program, or the installed one
 * errors  INVALID a file breaks the format: file, line, key; NOT_FOUND no folder
 */
MUST_USE struct hint_book *hints_load(const char *folder, struct err *e);
void hints_free(struct hint_book *book);
CLEANUP_FOR(struct hint_book *, hints_free)

/* How many patterns it holds. */
size_t hints_count(const struct hint_book *book);
/* The id of a pattern; index below hints_count(). */
const char *hints_id(const struct hint_book *book, size_t index);

/* Fill result->hints, in its arena. Does nothing for a NULL book. job: as it was run. */
void hints_find(const struct hint_book *book, const struct job *job, struct result *result);

#endif
