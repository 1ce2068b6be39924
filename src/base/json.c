/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader is json-c behind our words. json-c stands for null by a NULL pointer, which cannot be
 * told from an absent key: a sentinel takes its place on this side.
 */
#include "base/json.h"

#include <json-c/json.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/json_scan.h"
#include "base/text.h"

enum { MAX_DEPTH = 64 };

static char null_node;

static const struct json *wrap(struct json_object *o)
{
    return o ? (const struct json *)o : (const struct json *)(const void *)&null_node;
}

static struct json_object *unwrap(const struct json *node)
{
    if ((const void *)node == &null_node)
        return NULL;
    return (struct json_object *)(uintptr_t)node;
}

/* json-c turns 1e999 into infinity. */
static bool only_finite(struct json_object *o)
{
    switch (json_object_get_type(o)) {
    case json_type_double:
        return isfinite(json_object_get_double(o));
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(o); i++)
            if (!only_finite(json_object_array_get_idx(o, i)))
                return false;
        return true;
    case json_type_object: {
        json_object_object_foreach (o, key, value) {
            (void)key;
            if (!only_finite(value))
                return false;
        }
        return true;
    }
    default:
        return true;
    }
}

struct json *json_parse(struct str text, struct err *e)
{
    if (text.len > INT_MAX) {
        err_set(e, ERR_INVALID, "JSON of more than 2 GiB");
        return NULL;
    }
    if (!utf8_valid(text)) {
        err_set(e, ERR_INVALID, "malformed JSON: not valid UTF-8");
        return NULL;
    }
    if (text.len == 0) {
        err_set(e, ERR_INVALID, "malformed JSON: empty");
        return NULL;
    }
    size_t at;
    const char *trouble = json_scan(text, &at);
    if (trouble) {
        err_set(e, ERR_INVALID, "malformed JSON at byte %zu: %s", at, trouble);
        return NULL;
    }

    struct json_tokener *t = json_tokener_new_ex(MAX_DEPTH);
    CHECK(t);
    json_tokener_set_flags(t, JSON_TOKENER_STRICT);
    struct json_object *o = json_tokener_parse_ex(t, text.ptr, (int)text.len);
    enum json_tokener_error why = json_tokener_get_error(t);
    /* A number at the very end may go on as far as json-c can tell: the closing zero ends it. */
    size_t end = json_tokener_get_parse_end(t);
    if (why == json_tokener_continue) {
        o = json_tokener_parse_ex(t, "", 1);
        why = json_tokener_get_error(t);
        if (why == json_tokener_continue)
            why = json_tokener_error_parse_eof;
        end = text.len;
    }
    json_tokener_free(t);

    if (why != json_tokener_success) {
        err_set(e, ERR_INVALID, "malformed JSON at byte %zu: %s", end,
                json_tokener_error_desc(why));
        json_object_put(o);
        return NULL;
    }
    if (!only_finite(o)) {
        err_set(e, ERR_INVALID, "malformed JSON: a number is not finite");
        json_object_put(o);
        return NULL;
    }
    return (struct json *)(uintptr_t)wrap(o);
}

void json_free(struct json *root)
{
    if (root)
        json_object_put(unwrap(root));
}

enum json_kind json_kind(const struct json *node)
{
    switch (json_object_get_type(unwrap(node))) {
    case json_type_boolean:
        return JSON_BOOL;
    case json_type_int: /* json-c keeps what lies above int64_t as uint64_t */
        return json_object_get_uint64(unwrap(node)) <= INT64_MAX ? JSON_INT : JSON_DOUBLE;
    case json_type_double:
        return JSON_DOUBLE;
    case json_type_string:
        return JSON_TEXT;
    case json_type_array:
        return JSON_ARRAY;
    case json_type_object:
        return JSON_OBJECT;
    case json_type_null:
    default:
        return JSON_NULL;
    }
}

const char *json_kind_name(const struct json *node)
{
    static const char *const names[] = { "null",     "a boolean", "an integer", "a number",
                                         "a string", "an array",  "an object" };
    return names[json_kind(node)];
}

const struct json *json_get(const struct json *node, const char *key)
{
    struct json_object *value;
    if (!node || json_kind(node) != JSON_OBJECT ||
        !json_object_object_get_ex(unwrap(node), key, &value))
        return NULL;
    return wrap(value);
}

size_t json_count(const struct json *node)
{
    switch (json_kind(node)) {
    case JSON_ARRAY:
        return json_object_array_length(unwrap(node));
    case JSON_OBJECT:
        return (size_t)json_object_object_length(unwrap(node));
    default:
        return 0;
    }
}

const struct json *json_at(const struct json *node, size_t index)
{
    CHECK(json_kind(node) == JSON_ARRAY && index < json_count(node));
    return wrap(json_object_array_get_idx(unwrap(node), index));
}

bool json_each(const struct json *node,
               bool (*fn)(const char *key, const struct json *value, void *arg), void *arg)
{
    if (json_kind(node) != JSON_OBJECT)
        return true;
    json_object_object_foreach (unwrap(node), key, value) {
        if (!fn(key, wrap(value), arg))
            return false;
    }
    return true;
}

bool json_as_bool(const struct json *node)
{
    CHECK(json_kind(node) == JSON_BOOL);
    return json_object_get_boolean(unwrap(node));
}

int64_t json_as_int(const struct json *node)
{
    CHECK(json_kind(node) == JSON_INT);
    return json_object_get_int64(unwrap(node));
}

double json_as_double(const struct json *node)
{
    CHECK(json_kind(node) == JSON_DOUBLE || json_kind(node) == JSON_INT);
    return json_object_get_double(unwrap(node));
}

struct str json_as_str(const struct json *node)
{
    CHECK(json_kind(node) == JSON_TEXT);
    struct json_object *o = unwrap(node);
    return (struct str){ json_object_get_string(o), (size_t)json_object_get_string_len(o) };
}

enum got json_bytes(const struct json *node, const char *key, const char *encoding_key,
                    struct buf *out, struct err *e)
{
    const struct json *value = json_get(node, key);
    const struct json *encoding = json_get(node, encoding_key);
    if (!value || json_kind(value) == JSON_NULL)
        return GOT_NONE;
    if (json_kind(value) != JSON_TEXT) {
        err_invalid(e, key, "must be a string, not %s", json_kind_name(value));
        return GOT_FAILED;
    }
    if (!encoding || json_kind(encoding) == JSON_NULL ||
        (json_kind(encoding) == JSON_TEXT && str_is(json_as_str(encoding), "utf-8"))) {
        buf_add_str(out, json_as_str(value));
        return GOT_ONE;
    }
    if (json_kind(encoding) != JSON_TEXT || !str_is(json_as_str(encoding), "base64")) {
        err_invalid(e, encoding_key, "must be \"utf-8\" or \"base64\"");
        return GOT_FAILED;
    }
    if (!base64_decode(out, json_as_str(value))) {
        err_invalid(e, key, "is not valid base64 (RFC 4648 with padding, no line breaks)");
        return GOT_FAILED;
    }
    return GOT_ONE;
}

void json_dump(const struct json *node, struct buf *out)
{
    size_t len;
    const char *text =
        json_object_to_json_string_length(unwrap(node), JSON_C_TO_STRING_NOSLASHESCAPE, &len);
    CHECK(text);
    buf_add(out, text, len);
}

static void put_comma(struct json_writer *w)
{
    if (w->comma)
        buf_add_char(w->out, ',');
    w->comma = true;
}

void json_put_object(struct json_writer *w)
{
    put_comma(w);
    buf_add_char(w->out, '{');
    w->comma = false;
}

void json_put_object_end(struct json_writer *w)
{
    buf_add_char(w->out, '}');
    w->comma = true;
}

void json_put_array(struct json_writer *w)
{
    put_comma(w);
    buf_add_char(w->out, '[');
    w->comma = false;
}

void json_put_array_end(struct json_writer *w)
{
    buf_add_char(w->out, ']');
    w->comma = true;
}

void json_put_key(struct json_writer *w, const char *key)
{
    put_comma(w);
    json_escape(w->out, str_of(key));
    buf_add_char(w->out, ':');
    w->comma = false;
}

void json_put_null(struct json_writer *w)
{
    put_comma(w);
    buf_add_text(w->out, "null");
}

void json_put_bool(struct json_writer *w, bool value)
{
    put_comma(w);
    buf_add_text(w->out, value ? "true" : "false");
}

void json_put_int(struct json_writer *w, int64_t value)
{
    put_comma(w);
    buf_addf(w->out, "%lld", (long long)value);
}

void json_put_double(struct json_writer *w, double value)
{
    put_comma(w);
    char text[32];
    if (value == 0)
        value = 0; /* without its sign: "-0" reads back as the integer 0 */
    for (int digits = 15; digits <= 17; digits++) {
        double back;
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (parse_double(str_of(text), &back) && back == value)
            break;
    }
    buf_add_text(w->out, isfinite(value) ? text : "null");
}

void json_put_str(struct json_writer *w, struct str text)
{
    put_comma(w);
    json_escape(w->out, text);
}

void json_put_text(struct json_writer *w, const char *text)
{
    if (text)
        json_put_str(w, str_of(text));
    else
        json_put_null(w);
}

void json_put_raw(struct json_writer *w, struct str json)
{
    put_comma(w);
    buf_add_str(w->out, json);
}

void json_member_text(struct json_writer *w, const char *key, const char *text)
{
    json_put_key(w, key);
    json_put_text(w, text);
}

void json_member_int(struct json_writer *w, const char *key, int64_t value)
{
    json_put_key(w, key);
    json_put_int(w, value);
}

void json_member_bool(struct json_writer *w, const char *key, bool value)
{
    json_put_key(w, key);
    json_put_bool(w, value);
}

void json_member_double(struct json_writer *w, const char *key, double value)
{
    json_put_key(w, key);
    json_put_double(w, value);
}

void json_member_text_if(struct json_writer *w, const char *key, const char *text)
{
    if (text)
        json_member_text(w, key, text);
}

void json_member_true(struct json_writer *w, const char *key, bool value)
{
    if (value)
        json_member_bool(w, key, true);
}

void json_put_bytes(struct json_writer *w, const char *key, const char *encoding_key,
                    struct str bytes)
{
    json_put_key(w, key);
    if (!bytes.ptr) {
        json_put_null(w);
    } else if (utf8_valid(bytes)) {
        json_put_str(w, bytes);
    } else {
        put_comma(w);
        buf_add_char(w->out, '"');
        base64_add(w->out, bytes);
        buf_add_char(w->out, '"');
        json_put_key(w, encoding_key);
        json_put_text(w, "base64");
    }
}

static void escape_valid(struct buf *out, struct str text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        buf_add(out, text.ptr + start, i - start);
        start = i + 1;
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c == '\n')
            buf_add_text(out, "\\n");
        else if (c == '\t')
            buf_add_text(out, "\\t");
        else if (c == '\r')
            buf_add_text(out, "\\r");
        else
            buf_addf(out, "\\u%04x", c);
    }
    buf_add(out, text.ptr + start, text.len - start);
}

void json_escape(struct buf *out, struct str text)
{
    buf_add_char(out, '"');
    if (utf8_valid(text)) {
        escape_valid(out, text);
    } else {
        CLEANUP(buf_done) struct buf repaired = { 0 };
        utf8_add_repaired(&repaired, text);
        escape_valid(out, buf_str(&repaired));
    }
    buf_add_char(out, '"');
}
