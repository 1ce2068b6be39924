/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - one line per event, on standard error, as text or as JSON.
 *
 *   log_warn("job.returned", "id=%s attempt=%d why=%s", id, attempt, e.text);
 *
 * The format is a list of key=value fields separated by single spaces; a value may hold spaces of
 * its own, the separators are those in the format. Library floors (0 to 4) stay silent and return
 * struct err; service, http and main decide and log each failure once. Output of user programs
 * never enters the log.
 *
 * Threads: any; a line is written with one write(2).
 */
#ifndef EVALX_BASE_LOG_H
#define EVALX_BASE_LOG_H

#include <stdbool.h>

#include "base/attr.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

enum log_format {
    LOG_TEXT, /* 2026-11-23T12:46:43.982Z warn job.returned id=... why="two words" */
    LOG_JSON, /* {"time":"...","level":"warn","event":"job.returned","id":"...", ...} */
};

/* Set once, before the first thread starts. */
void log_setup(enum log_level level, enum log_format format);

void log_write(enum log_level level, const char *event, const char *fmt, ...) PRINTF(3, 4);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
