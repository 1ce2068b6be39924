/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lang.h - the catalogue of languages, read from one YAML file each. Languages are data.
 *
 * At start every file is read and checked; a language whose toolchain is not on the machine is kept
 * as not offered, with the package that would bring it. A file that breaks the schema stops the
 * start with its name, line and the key.
 *
 * In argv templates these words are replaced: {options} and {args}, alone as a word, by the
 * submission's lists; {source} by the source file's path, {memory_mb} by the memory limit in MiB,
 * {heap_mb} by three quarters of it, {main} by the entry point's name without its ending.
 *
 * Threads: a loaded catalogue may be read by any; catalogue_offer() alone changes it, from one.
 */
#ifndef EVALX_LANG_LANG_H
#define EVALX_LANG_LANG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

struct judge0_name {
    int id;
    const char *name; /* "C++ (GCC 9.2.0)": what GET /languages shows for this id; NULL: made of
                       * the language's name and the version found on the machine */
    const char *source_file; /* when it differs from the language's; or NULL */
    bool archived;
};

struct command {
    const char *const *argv; /* NULL-ended template; NULL: no such step */
};

struct language {
    const char *id;                   /* "cpp" */
    const char *name;                 /* "C++ (GCC)" */
    const char *const *aliases;       /* "c++", "g++"; NULL-ended */
    const struct judge0_name *judge0; /* judge0_count of them */
    size_t judge0_count;

    const char *_Atomic version; /* as probed: "12.2.0"; NULL when the toolchain is not here */
    const char *package;         /* Debian package that brings the toolchain */
    _Atomic bool offered;        /* toolchain found */

    const char *source_file; /* "main.cpp" */
    struct command build;    /* argv NULL: interpreted */
    struct command run;
    const char *const *artifact; /* globs of what the build step leaves: { "a.out" }; NULL-ended */
    bool single_executable;      /* the artifact is one program, run from its descriptor */

    const char *const *env;    /* "NAME=value", NULL-ended; beside the common ones */
    const char *const *etc;    /* names below /etc the toolchain needs in the box */
    const char *const *mounts; /* further absolute paths it needs, read-only */

    double time_factor; /* default limits are multiplied by these: 1 for C, 2 for Java */
    double memory_factor;
    int64_t memory_extra_bytes; /* added to the default memory limit: a VM's own need */
    int processes_least;        /* default limit of processes is at least this: JVM threads */
    int64_t build_memory_bytes, build_wall_us; /* limits of the build step; 0: the server's */

    const char
        *toolchain; /* hash of what decides the artifact: probed versions and the file itself */

    /* Self-test. */
    const char *test_source, *test_stdin, *test_expected;
};

struct arena;
struct catalogue;

/*
 * Read a folder of *.yaml and probe the toolchains.
 *
 * folder   NULL: EVALX_LANGUAGES_DIR's default places (beside the binary, then the installed one)
 * errors   INVALID a file breaks the schema: file, line, key; NOT_FOUND no folder; CONFLICT two
 *          languages claim one name or one Judge0 id
 */
MUST_USE struct catalogue *catalogue_load(const char *folder, struct err *e);
/* The same for a server that runs nothing itself: no toolchain is looked for, none is offered. */
MUST_USE struct catalogue *catalogue_describe(const char *folder, struct err *e);
void catalogue_free(struct catalogue *c);
CLEANUP_FOR(struct catalogue *, catalogue_free)

/* What others run: a language of theirs. */
struct offer {
    const char *id, *version; /* version may be NULL */
};

/*
 * Offer these languages and no other, those without a file left out. NULL: everything that has a
 * file, in whatever version.
 */
void catalogue_offer(struct catalogue *c, const struct offer *offers, size_t count);

size_t catalogue_count(const struct catalogue *c);
const struct language *catalogue_at(const struct catalogue *c, size_t index); /* sorted by id */

/*
 * Find by id, alias, or either with "@version" (a prefix of the probed version: python@3 or
 * python@3.11 match 3.11.2). Not offered ones are found too.
 *
 * errors   INVALID, field "language": unknown (with the nearest names), or the wrong version
 */
MUST_USE const struct language *catalogue_find(const struct catalogue *c, struct str name,
                                               struct err *e);

/* By Judge0 id; NULL when unknown. ret_name (may be NULL) gets the matching entry. */
const struct language *catalogue_find_judge0(const struct catalogue *c, int64_t id,
                                             const struct judge0_name **ret_name);

/*
 * Fill a template. lists are NULL-ended or NULL for empty. The array and its strings live in arena.
 */
struct command_words {
    const char *const *options, *const *args;
    const char *source, *main;
    int64_t memory_bytes;
};
const char *const *command_fill(const struct command *c, const struct command_words *words,
                                struct arena *arena);

#endif
