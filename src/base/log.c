/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

/* Fields are formatted in one go with this between them, so that values may hold spaces. */
#define SEPARATOR '\x1f'

static enum log_level log_level = LOG_INFO;
static enum log_format log_format = LOG_TEXT;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_setup(enum log_level level, enum log_format format)
{
    log_level = level;
    log_format = format;
}

static void add_text_field(struct buf *line, struct str key, struct str value)
{
    buf_addf(line, " %.*s=", STR_FMT(key));
    bool plain = value.len > 0;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] == '"' || value.ptr[i] == '\\')
            plain = false;
    if (plain)
        buf_add_str(line, value);
    else
        json_escape(line, value);
}

static void add_json_field(struct buf *line, struct str key, struct str value)
{
    buf_add_char(line, ',');
    json_escape(line, key);
    buf_add_char(line, ':');
    json_escape(line, value);
}

static void add_fields(struct buf *line, char *fields)
{
    for (char *at = fields, *next; at && *at; at = next) {
        next = strchr(at, SEPARATOR);
        if (next)
            *next++ = '\0';
        char *eq = strchr(at, '=');
        struct str key = eq ? (struct str){ at, (size_t)(eq - at) } : STR("message");
        struct str value = str_of(eq ? eq + 1 : at);
        if (log_format == LOG_JSON)
            add_json_field(line, key, value);
        else
            add_text_field(line, key, value);
    }
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    if (level < log_level)
        return;

    char separated[512];
    snprintf(separated, sizeof separated, "%s", fmt);
    for (char *p = separated; *p; p++)
        if (*p == ' ')
            *p = SEPARATOR;

    char fields[2048];
    va_list args;
    va_start(args, fmt);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(fields, sizeof fields, separated, args);
#pragma GCC diagnostic pop
    va_end(args);

    char now[32];
    wall_text(wall_us(), now, sizeof now);
    CLEANUP(buf_done) struct buf line = { 0 };
    if (log_format == LOG_JSON)
        buf_addf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", now,
                 level_names[level], event);
    else
        buf_addf(&line, "%s %s %s", now, level_names[level], event);
    add_fields(&line, fields);
    buf_add_text(&line, log_format == LOG_JSON ? "}\n" : "\n");

    /* Nothing sensible is left to do when standard error is gone. */
    if (write(STDERR_FILENO, line.ptr, line.len) < 0)
        return;
}
