/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lang_file.h - one language's YAML file, read and checked. Internal to lang/, and to its tests.
 */
#ifndef EVALX_LANG_LANG_FILE_H
#define EVALX_LANG_LANG_FILE_H

#include "base/arena.h"
#include "lang/lang.h"

/* Languages are small files; more than this is a mistake or an attack. */
enum { LANGUAGE_FILE_BYTES = 256 * 1024 };

/* How the toolchain is recognised: a command's output or a file's text, and where in it. */
struct probe_rule {
    const char *const *argv; /* NULL-ended; NULL: file */
    const char *file;        /* absolute */
    const char *pattern;     /* POSIX extended expression, its first group is the version */
};

struct language_file {
    struct language
        language; /* as far as the file tells: version, offered, toolchain are not set */
    struct probe_rule probe;
};

/*
 * Read one file's bytes.
 *
 * name    for errors: "cpp.yaml"
 * arena   holds what ret points to
 * errors  INVALID: file, line where libcyaml tells one, and the key
 */
MUST_USE bool language_parse(const char *name, struct str bytes, struct arena *arena,
                             struct language_file *ret, struct err *e);

#endif
