/* SPDX-License-Identifier: Apache-2.0 */
#include "job/fields.h"

#include <math.h>
#include <string.h>

#include "job/refuse.h"
#include "lang/near.h"

/* ---- an object by its table ---- */

static bool unknown_key(const struct reader *r, const char *key)
{
    struct near near = near_start(str_of(key));
    for (const struct field *f = r->table; f->name; f++)
        if (f->use == KEY_ANY)
            near_try(&near, f->name);
    if (near.best)
        return refuse(r->e, r->where, key, "is not known; did you mean \"%s\"?", near.best);
    return refuse(r->e, r->where, key, "is not known");
}

static bool read_key(const char *key, const struct json *value, void *arg)
{
    struct reader *r = arg;
    const struct field *f = r->table;
    while (f->name && strcmp(f->name, key) != 0)
        f++;
    if (!f->name)
        return unknown_key(r, key);
    if (json_kind(value) == JSON_NULL)
        return true;
    if (f->use == KEY_STORED && !r->stored)
        return refuse(r->e, r->where, key, "is set by the server");
    if (f->use == KEY_LATER && !(r->stored && f->read))
        return refuse(r->e, r->where, key, "is not supported yet");
    return f->read(r, key, value);
}

bool fields_read(struct reader *r, const struct json *object, const struct field *table)
{
    r->from = object;
    r->table = table;
    return json_each(object, read_key, r);
}

/* ---- values ---- */

bool field_kind(const struct reader *r, const char *key, const struct json *value,
                enum json_kind kind, const char *what)
{
    if (json_kind(value) == kind || (kind == JSON_DOUBLE && json_kind(value) == JSON_INT))
        return true;
    return refuse(r->e, r->where, key, "must be %s, not %s", what, json_kind_name(value));
}

bool field_text(const struct reader *r, const char *key, const struct json *value, size_t most,
                const char **ret)
{
    if (!field_kind(r, key, value, JSON_TEXT, "a string"))
        return false;
    struct str text = json_as_str(value);
    if (memchr(text.ptr, '\0', text.len))
        return refuse(r->e, r->where, key, "must not hold a NUL character");
    if (text.len > most)
        return refuse(r->e, r->where, key, "is too long: %zu bytes, at most %zu", text.len, most);
    *ret = arena_str(&r->job->arena, text).ptr;
    return true;
}

bool field_name(const struct reader *r, const char *key, const struct json *value, const char **ret)
{
    if (!field_text(r, key, value, NAME_BYTES, ret))
        return false;
    if (!**ret)
        return refuse(r->e, r->where, key, "must not be empty");
    for (const char *p = *ret; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return refuse(r->e, r->where, key, "must not hold control characters");
    return true;
}

bool field_flag(const struct reader *r, const char *key, const struct json *value, bool *ret)
{
    if (!field_kind(r, key, value, JSON_BOOL, "true or false"))
        return false;
    *ret = json_as_bool(value);
    return true;
}

bool field_int(const struct reader *r, const char *key, const struct json *value, int64_t least,
               int64_t most, int64_t *ret)
{
    if (!field_kind(r, key, value, JSON_INT, "a whole number"))
        return false;
    int64_t number = json_as_int(value);
    if (number < least || number > most)
        return refuse(r->e, r->where, key, "must be between %lld and %lld", (long long)least,
                      (long long)most);
    *ret = number;
    return true;
}

bool field_double(const struct reader *r, const char *key, const struct json *value, double most,
                  double *ret)
{
    if (!field_kind(r, key, value, JSON_DOUBLE, "a number"))
        return false;
    double n = json_as_double(value);
    if (!isfinite(n) || n < 0 || n > most)
        return refuse(r->e, r->where, key, "must be between 0 and %g", most);
    *ret = n;
    return true;
}

bool field_choice(const struct reader *r, const char *key, const struct json *value,
                  const char *const *names, int *ret)
{
    CLEANUP(buf_done) struct buf all = { 0 };
    for (int i = 0; names[i]; i++) {
        if (json_kind(value) == JSON_TEXT && str_is(json_as_str(value), names[i])) {
            *ret = i;
            return true;
        }
        buf_addf(&all, "%s\"%s\"", i ? ", " : "", names[i]);
    }
    return refuse(r->e, r->where, key, "must be one of %s", all.ptr);
}

bool field_bytes(const struct reader *r, const char *key, const char *encoding_key, struct str *ret)
{
    CLEANUP(buf_done) struct buf out = { 0 };
    enum got got = json_bytes(r->from, key, encoding_key, &out, r->e);
    if (got == GOT_FAILED) {
        struct err why = *r->e;
        return refuse(r->e, r->where, why.field, "%s", why.text);
    }
    if (got == GOT_ONE)
        *ret = arena_str(&r->job->arena, buf_str(&out));
    return true;
}

bool field_skip(UNUSED struct reader *r, UNUSED const char *key, UNUSED const struct json *value)
{
    return true;
}

bool field_words(const struct reader *r, const char *key, const struct json *value,
                 const char ***ret)
{
    if (!field_kind(r, key, value, JSON_ARRAY, "an array of strings"))
        return false;
    size_t count = json_count(value), left = WORDS_BYTES;
    if (count > WORDS_MOST)
        return refuse(r->e, r->where, key, "has %zu entries, at most %d are allowed", count,
                      WORDS_MOST);
    const char **list = arena_array(&r->job->arena, count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        char entry[FIELD_TEXT];
        snprintf(entry, sizeof entry, "%s[%zu]", key, i);
        if (!field_text(r, entry, json_at(value, i), WORDS_BYTES, &list[i]))
            return false;
        size_t len = strlen(list[i]);
        if (len > left)
            return refuse(r->e, r->where, key, "is too long: at most %d bytes together",
                          WORDS_BYTES);
        left -= len;
    }
    *ret = list;
    return true;
}
