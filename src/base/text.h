/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - UTF-8, base64, hexadecimal and numbers in text.
 *
 * Threads: any; no state.
 */
#ifndef EVALX_BASE_TEXT_H
#define EVALX_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* True when s is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, <= U+10FFFF). */
bool utf8_valid(struct str s);

/* Number of code points; every byte that is no continuation byte counts as one. */
size_t utf8_count(struct str s);

/* Append s with every ill-formed sequence replaced by U+FFFD. */
void utf8_add_repaired(struct buf *out, struct str s);

/* Append standard base64 with padding (RFC 4648 section 4), no line breaks. */
void base64_add(struct buf *out, struct str bytes);

/*
 * Append what strict base64 text stands for: standard alphabet, padding as it must be, no other
 * character. False when the text is not that; out then keeps its length.
 */
MUST_USE bool base64_decode(struct buf *out, struct str text);

/*
 * Append what lenient base64 stands for; never fails. Characters outside the alphabet are skipped,
 * padding may be missing, decoding stops at '=' once a group has two characters or more.
 * Source: contract of the Judge0 face, section on base64 semantics.
 */
void base64_decode_lenient(struct buf *out, struct str text);

/* Lower-case hexadecimal; out holds 2 * len + 1 bytes. */
void hex_text(const uint8_t *bytes, size_t len, char *out);

/* A whole decimal integer with optional sign and nothing around it. False when it is not that. */
MUST_USE bool parse_int(struct str s, int64_t *ret);

/* A whole finite decimal number ("2.5", "-1e3"; no hex, no "inf") and nothing around it. */
MUST_USE bool parse_double(struct str s, double *ret);

#endif
