/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml.h - a YAML text into structs, by a libcyaml schema; and where our data files lie.
 *
 * Threads: any.
 */
#ifndef EVALX_LANG_YAML_H
#define EVALX_LANG_YAML_H

#include <cyaml/cyaml.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/*
 * Load a text as the schema says. Aliases are refused.
 *
 * name    of the file, for errors
 * ret     the schema's struct, freed with yaml_release(); never NULL
 * errors  INVALID with file, line and key; LIMIT is INVALID too: more than `most` bytes
 */
MUST_USE void *yaml_read(const char *name, struct str bytes, size_t most,
                         const cyaml_schema_value_t *schema, struct err *e);
void yaml_release(const cyaml_schema_value_t *schema, void *loaded);

/* Whether a name in a folder is that of a YAML file, not a hidden one. */
bool yaml_is_name(const char *name);

/* bytes are borrowed during the call. False, with e: no more files are read. */
typedef bool (*yaml_file_fn)(void *arg, const char *name, struct str bytes, struct err *e);

/*
 * Every YAML file of a folder, by name.
 *
 * most    bytes of a file
 * errors  NOT_FOUND there is no such folder, or no such file in it; else fn's, or that of a file
 */
MUST_USE bool yaml_each(const char *folder, size_t most, yaml_file_fn fn, void *arg, struct err *e);

/*
 * Where data files of a kind ("languages", "hints") lie: beside the program (also in a build folder
 * of the source tree), then installed. NULL: nowhere.
 */
const char *data_folder(const char *kind, struct arena *arena);

#endif
