/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - reading and writing JSON (RFC 8259).
 *
 * Reading: a document is parsed whole and strictly (UTF-8 checked, nothing behind the value, at
 * most 64 levels deep, numbers finite, integers of at most 64 bits); nodes are borrowed from it. A
 * JSON null is a node of type JSON_NULL, an absent key is NULL. When a key stands twice the last
 * one counts. Writing: straight into a buf; commas are put where they belong.
 *
 * Threads: a document may be read by one thread at a time, a writer belongs to one.
 */
#ifndef EVALX_BASE_JSON_H
#define EVALX_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,    /* a number written without fraction or exponent that fits int64_t */
    JSON_DOUBLE, /* every other number */
    JSON_TEXT,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json; /* a node; opaque, borrowed from its document */

/*
 * Parse a whole document.
 *
 * ret     the root, owned by the caller: json_free(); NULL on error
 * errors  INVALID, with the byte offset and what is wrong there
 */
MUST_USE struct json *json_parse(struct str text, struct err *e);
void json_free(struct json *root);
CLEANUP_FOR(struct json *, json_free)

enum json_kind json_kind(const struct json *node);
/* "null", "a boolean", "an integer", "a number", "a string", "an array", "an object" */
const char *json_kind_name(const struct json *node);

/* Value of a key, or NULL when node is no object or has no such key. */
const struct json *json_get(const struct json *node, const char *key);

/* Elements of an array or keys of an object; 0 for anything else. */
size_t json_count(const struct json *node);

/* Element of an array; index below json_count(). */
const struct json *json_at(const struct json *node, size_t index);

/* Call fn for each key of an object in document order; stops and returns false when fn does. */
bool json_each(const struct json *node,
               bool (*fn)(const char *key, const struct json *value, void *arg), void *arg);

/* Values of nodes of that type; a CHECK fails on any other. Text is borrowed, may hold NUL. */
bool json_as_bool(const struct json *node);
int64_t json_as_int(const struct json *node);
double json_as_double(const struct json *node); /* JSON_INT too */
struct str json_as_str(const struct json *node);

/*
 * Bytes as json_put_bytes() writes them: node's key is a string, and node's encoding_key says what
 * it stands for: absent, null or "utf-8" the text itself, "base64" strict base64. Appended to out.
 *
 * ret     GOT_NONE when the key is absent or null
 * errors  INVALID, field is key or encoding_key
 */
MUST_USE enum got json_bytes(const struct json *node, const char *key, const char *encoding_key,
                             struct buf *out, struct err *e);

/* Append the node as compact JSON text. */
void json_dump(const struct json *node, struct buf *out);

/* ---- writing ---- */

struct json_writer {
    struct buf *out; /* borrowed */
    bool comma;      /* the next value needs one before it */
};

void json_put_object(struct json_writer *w);
void json_put_object_end(struct json_writer *w);
void json_put_array(struct json_writer *w);
void json_put_array_end(struct json_writer *w);
void json_put_key(struct json_writer *w, const char *key);
void json_put_null(struct json_writer *w);
void json_put_bool(struct json_writer *w, bool value);
void json_put_int(struct json_writer *w, int64_t value);
void json_put_double(struct json_writer *w, double value); /* shortest form that reads back equal */
void json_put_str(struct json_writer *w, struct str text); /* ill-formed UTF-8 becomes U+FFFD */
void json_put_text(struct json_writer *w, const char *text); /* NULL gives null */
void json_put_raw(struct json_writer *w, struct str json);   /* one JSON value, trusted */

/* A key and its value. */
void json_member_text(struct json_writer *w, const char *key, const char *text); /* NULL: null */
void json_member_int(struct json_writer *w, const char *key, int64_t value);
void json_member_bool(struct json_writer *w, const char *key, bool value);
void json_member_double(struct json_writer *w, const char *key, double value);
/* Both left out: without a text, when not true. */
void json_member_text_if(struct json_writer *w, const char *key, const char *text);
void json_member_true(struct json_writer *w, const char *key, bool value);

/*
 * A key with any bytes as its value, without loss: "key":"text" when they are UTF-8, else
 * "key":"<base64>","encoding_key":"base64". NULL gives "key":null.
 */
void json_put_bytes(struct json_writer *w, const char *key, const char *encoding_key,
                    struct str bytes);

/* Append text as a JSON string, quotes included; ill-formed UTF-8 becomes U+FFFD. */
void json_escape(struct buf *out, struct str text);

#endif
