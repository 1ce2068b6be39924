/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

PRINTF(4, 0)
static void put(struct err *e, enum err_kind kind, int sys, const char *fmt, va_list args)
{
    char text[sizeof e->text];
    vsnprintf(text, sizeof text, fmt, args);

    e->kind = kind;
    e->sys = sys;
    e->field[0] = '\0';
    if (!sys) {
        memcpy(e->text, text, sizeof text);
        return;
    }

    /* strerror_r's GNU form never fails; the cause keeps its place, the sentence gives way. */
    char cause_buf[64];
    const char *cause = strerror_r(sys, cause_buf, sizeof cause_buf);
    size_t room = sizeof e->text - strlen(cause) - 3;
    snprintf(e->text, sizeof e->text, "%.*s: %s", (int)room, text, cause);
}

bool err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put(e, kind, 0, fmt, args);
    va_end(args);
    return false;
}

bool err_invalid(struct err *e, const char *field, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put(e, ERR_INVALID, 0, fmt, args);
    va_end(args);
    snprintf(e->field, sizeof e->field, "%s", field);
    return false;
}

bool err_sys(struct err *e, const char *fmt, ...)
{
    int sys = errno;
    va_list args;
    va_start(args, fmt);
    put(e, ERR_SYSTEM, sys, fmt, args);
    va_end(args);
    return false;
}

bool err_sysno(struct err *e, int sys, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put(e, ERR_SYSTEM, sys, fmt, args);
    va_end(args);
    return false;
}

bool err_add(struct err *e, const char *fmt, ...)
{
    char context[sizeof e->text], cause[sizeof e->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(context, sizeof context, fmt, args);
    va_end(args);

    memcpy(cause, e->text, sizeof cause);
    size_t used = strlen(cause) + 3;
    size_t room = used < sizeof e->text ? sizeof e->text - used : 0;
    if (room >= 4)
        snprintf(e->text, sizeof e->text, "%.*s: %s", (int)room, context, cause);
    return false;
}

void err_reset(struct err *e)
{
    memset(e, 0, sizeof *e);
}

const char *err_kind_name(enum err_kind kind)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",         [ERR_INVALID] = "invalid", [ERR_NOT_FOUND] = "not_found",
        [ERR_CONFLICT] = "conflict", [ERR_LIMIT] = "limit",     [ERR_UNAVAILABLE] = "unavailable",
        [ERR_SYSTEM] = "system",     [ERR_BUG] = "bug",
    };
    if ((size_t)kind >= COUNT_OF(names) || !names[kind])
        return "unknown";
    return names[kind];
}
