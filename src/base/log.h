/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - one line per event, on standard error, as text or as JSON.
 *
 *   log_warn("job.given_back", "id=%s attempt=%d why=%s", id, attempt, e.text);
 *
 * The format is a list of key=value fields separated by single spaces. A value is text and
 * conversions; one that is a single conversion of a number is a number in JSON, a %s alone whose
 * text is NULL or empty leaves the field out, and whatever else stands in a text stays inside of
 * its value: separators are those of the format. Texts are cut at LOG_VALUE_BYTES. Conversions are
 * those of printf that anybody needs here: d i u x with l, ll or z, f e g with a precision, s with
 * a precision, c, %%.
 *
 * Library floors (0 to 4) stay silent and return struct err; service, http and main decide and log
 * each failure once. What a user sent or a program printed never enters the log. Every event is in
 * the table of docs/logs.md.
 *
 * Threads: any; a line is written with one write(2).
 */
#ifndef EVALX_BASE_LOG_H
#define EVALX_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

enum log_format {
    LOG_TEXT, /* 2026-11-23T12:46:43.982Z warn job.given_back id=... why="two words" */
    LOG_JSON, /* {"time":"...","level":"warn","event":"job.given_back","id":"...", ...} */
};

enum { LOG_VALUE_BYTES = 1024 };

/* Set once, before the first thread starts. */
void log_setup(enum log_level level, enum log_format format);

/* Whether a line of that level would be written: for fields that cost something. */
bool log_wants(enum log_level level);

void log_write(enum log_level level, const char *event, const char *fmt, ...) PRINTF(3, 4);

/* The fields of a line alone, each with what separates it from the one before; for tests. */
void log_fields(struct buf *line, enum log_format format, const char *fmt, va_list args)
    PRINTF(3, 0);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
