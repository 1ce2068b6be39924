/* SPDX-License-Identifier: Apache-2.0 */
#include "job/refuse.h"

#include <stdarg.h>
#include <stdio.h>

bool refuse(struct err *e, const char *where, const char *key, const char *fmt, ...)
{
    char path[FIELD_TEXT], sentence[sizeof e->text];
    snprintf(path, sizeof path, "%s%s", where, key);
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    return err_invalid(e, path, "%s %.*s", path, (int)(sizeof e->text - sizeof path), sentence);
}
