/* SPDX-License-Identifier: Apache-2.0 */
/* languages.h - a folder of language files made for one test, and the catalogue loaded from it. */
#ifndef EVALX_TESTS_UNIT_LANGUAGES_H
#define EVALX_TESTS_UNIT_LANGUAGES_H

#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "lang/lang.h"

struct language_text {
    const char *file; /* "cpp.yaml" */
    const char *text;
};

/* A language that is there on every machine; more keys may be appended. */
#define LANGUAGE_HEAD(id_)                                                                         \
    "id: " id_ "\nname: The " id_ "\npackage: coreutils\n"                                         \
    "version: {argv: [/bin/echo, 'tool 3.11.2'], pattern: 'tool ([0-9.]+)'}\n"                     \
    "test: {source: 'x', expected: 'x'}\n"

/* Write the files into a new folder, load it, remove the folder. NULL and e when it does not load.
 */
static inline struct catalogue *catalogue_of(const struct language_text *texts, size_t count,
                                             struct err *e)
{
    char folder[64] = "/tmp/evalx-test-lang-XXXXXX";
    if (!mkdtemp(folder)) {
        err_sys(e, "mkdtemp");
        return NULL;
    }
    CLEANUP(fd_close) int dir = dir_open(folder, 0755, e);
    bool written = true;
    for (size_t i = 0; i < count && written; i++)
        written = file_replace(dir, texts[i].file, str_of(texts[i].text), 0644, e);
    struct catalogue *c = written ? catalogue_load(folder, e) : NULL;
    for (size_t i = 0; i < count; i++)
        (void)unlinkat(dir, texts[i].file, 0);
    (void)rmdir(folder);
    return c;
}

#endif
