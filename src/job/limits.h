/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h - what a program may use, as a client asks for it. LIMIT_UNSET means "the default".
 *
 * JSON names: cpu_time_ms cpu_extra_time_ms wall_time_ms memory_bytes stack_bytes processes
 * output_bytes file_bytes.
 */
#ifndef EVALX_JOB_LIMITS_H
#define EVALX_JOB_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define LIMIT_UNSET INT64_C(-1)

struct limits {
    int64_t cpu_us;
    int64_t cpu_extra_us;
    int64_t wall_us;
    int64_t memory_bytes;
    int64_t stack_bytes;
    int64_t processes;
    int64_t output_bytes;
    int64_t file_bytes;
};

/* One row per limit, so that nobody writes eight ifs. */
struct limit_info {
    const char *json_name;
    const char *title; /* "CPU time" */
    size_t offset;     /* in struct limits */
    int64_t json_unit; /* what one JSON unit is inside: 1000 for _ms, 1 for _bytes */
    int64_t least;     /* smallest value accepted, inside units */
};

extern const struct limit_info limit_infos[];
extern const size_t limit_count;

int64_t limit_get(const struct limits *l, const struct limit_info *info);
void limit_set(struct limits *l, const struct limit_info *info, int64_t value);

/* Every member LIMIT_UNSET. */
struct limits limits_unset(void);

/* Fill the unset members of l from those of from. */
void limits_fill(struct limits *l, const struct limits *from);

/*
 * Read an object of limits; unknown names, fractions and negative numbers are errors.
 *
 * field    where the object stands, for errors: "limits", "tests[3].limits"
 */
MUST_USE bool limits_from_json(const struct json *json, const char *field, struct limits *ret,
                               struct err *e);

/* Write the set members as an object. */
void limits_to_json(const struct limits *l, struct json_writer *w);

#endif
