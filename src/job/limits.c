/* SPDX-License-Identifier: Apache-2.0 */
#include "job/limits.h"

#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "job/refuse.h"
#include "lang/near.h"

#define AT(member) offsetof(struct limits, member)

/* A CPU limit of 0 means none: the wall limit still ends the run. */
const struct limit_info limit_infos[] = {
    { "cpu_time_ms", "CPU time", AT(cpu_us), US_PER_MS, 0 },
    { "cpu_extra_time_ms", "extra CPU time", AT(cpu_extra_us), US_PER_MS, 0 },
    { "wall_time_ms", "wall time", AT(wall_us), US_PER_MS, US_PER_MS },
    { "memory_bytes", "memory", AT(memory_bytes), 1, 1 << 20 },
    { "stack_bytes", "stack", AT(stack_bytes), 1, 0 },
    { "processes", "number of processes", AT(processes), 1, 1 },
    { "output_bytes", "output", AT(output_bytes), 1, 0 },
    { "file_bytes", "file size", AT(file_bytes), 1, 0 },
};
const size_t limit_count = COUNT_OF(limit_infos);

/* Every member is an int64_t, so the table's offset is all there is to know. */
int64_t limit_get(const struct limits *l, const struct limit_info *info)
{
    int64_t value;
    memcpy(&value, (const char *)l + info->offset, sizeof value);
    return value;
}

void limit_set(struct limits *l, const struct limit_info *info, int64_t value)
{
    memcpy((char *)l + info->offset, &value, sizeof value);
}

struct limits limits_unset(void)
{
    struct limits l;
    for (size_t i = 0; i < limit_count; i++)
        limit_set(&l, &limit_infos[i], LIMIT_UNSET);
    return l;
}

void limits_fill(struct limits *l, const struct limits *from)
{
    for (size_t i = 0; i < limit_count; i++)
        if (limit_get(l, &limit_infos[i]) == LIMIT_UNSET)
            limit_set(l, &limit_infos[i], limit_get(from, &limit_infos[i]));
}

struct reading {
    struct limits limits;
    char where[FIELD_TEXT]; /* "tests[3].limits." */
    struct err *e;
};

static const struct limit_info *find(const char *key)
{
    for (size_t i = 0; i < limit_count; i++)
        if (strcmp(limit_infos[i].json_name, key) == 0)
            return &limit_infos[i];
    return NULL;
}

static bool unknown(const struct reading *r, const char *key)
{
    struct near near = near_start(str_of(key));
    for (size_t i = 0; i < limit_count; i++)
        near_try(&near, limit_infos[i].json_name);
    if (near.best)
        return refuse(r->e, r->where, key, "is no limit; did you mean \"%s\"?", near.best);
    return refuse(r->e, r->where, key, "is no limit");
}

static bool read_limit(const char *key, const struct json *value, void *arg)
{
    struct reading *r = arg;
    const struct limit_info *info = find(key);
    if (!info)
        return unknown(r, key);
    if (json_kind(value) == JSON_NULL)
        return true;
    if (json_kind(value) != JSON_INT)
        return refuse(r->e, r->where, key, "must be a whole number, not %s", json_kind_name(value));
    int64_t number = json_as_int(value), inside;
    if (number < 0)
        return refuse(r->e, r->where, key, "must not be negative");
    if (__builtin_mul_overflow(number, info->json_unit, &inside))
        return refuse(r->e, r->where, key, "is too large");
    limit_set(&r->limits, info, inside);
    return true;
}

bool limits_from_json(const struct json *json, const char *field, struct limits *ret, struct err *e)
{
    if (json_kind(json) != JSON_OBJECT)
        return refuse(e, "", field, "must be an object, not %s", json_kind_name(json));
    struct reading r = { .limits = limits_unset(), .e = e };
    snprintf(r.where, sizeof r.where, "%s.", field);
    if (!json_each(json, read_limit, &r))
        return false;
    *ret = r.limits;
    return true;
}

void limits_to_json(const struct limits *l, struct json_writer *w)
{
    json_put_object(w);
    for (size_t i = 0; i < limit_count; i++) {
        const struct limit_info *info = &limit_infos[i];
        int64_t value = limit_get(l, info);
        if (value == LIMIT_UNSET)
            continue;
        /* Rounded up: a limit below one unit must not turn into 0, which may mean none. */
        json_put_key(w, info->json_name);
        json_put_int(w, value / info->json_unit + (value % info->json_unit != 0));
    }
    json_put_object_end(w);
}
