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

/*
 * Where data files of a kind ("languages", "hints") lie: beside the program (also in a build folder
 * of the source tree), then installed. NULL: nowhere.
 */
const char *data_folder(const char *kind, struct arena *arena);

#endif
