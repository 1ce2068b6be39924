/* SPDX-License-Identifier: Apache-2.0 */
/* json_scan.h - is every word of a text JSON? For json.c; the structure is not looked at. */
#ifndef EVALX_BASE_JSON_SCAN_H
#define EVALX_BASE_JSON_SCAN_H

#include <stddef.h>

#include "base/str.h"

/* What is wrong with the first bad word and where it stands, or NULL. text is valid UTF-8. */
const char *json_scan(struct str text, size_t *ret_at);

#endif
