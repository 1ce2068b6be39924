/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - SHA-256 over several pieces, random bytes, tokens.
 *
 * Threads: any; a struct hash belongs to one.  Source: FIPS 180-4 (OpenSSL), RFC 9562,
 * getrandom(2).
 */
#ifndef EVALX_BASE_HASH_H
#define EVALX_BASE_HASH_H

#include <stdint.h>

#include "base/str.h"

enum { HASH_BYTES = 32, HASH_TEXT = 2 * HASH_BYTES + 1, TOKEN_TEXT = 37 };

struct hash *hash_new(void);

/* Add one piece; its length goes in first, so ("ab","c") and ("a","bc") differ. */
void hash_add(struct hash *h, struct str piece);
void hash_add_int(struct hash *h, int64_t value);

/* Finish and free; out gets lower-case hexadecimal and a closing zero. */
void hash_finish(struct hash *h, char out[HASH_TEXT]);

/* SHA-1 in lower-case hexadecimal: not for secrets, for protocols that name things by it (Redis
 * scripts). Source: FIPS 180-4. */
enum { SHA1_TEXT = 41 };
void sha1_text(struct str bytes, char out[SHA1_TEXT]);

/* HMAC of SHA-256. Source: RFC 2104. */
void hmac_sha256(struct str key, struct str bytes, uint8_t out[HASH_BYTES]);

/* Random bytes from the kernel; aborts when the kernel has none. */
void random_bytes(void *out, size_t len);

/* A random UUID, version 4, lower case: "0b1c...". */
void token_new(char out[TOKEN_TEXT]);

/* True when s is shaped like a token: 8-4-4-4-12 lower-case hexadecimal digits. */
_Bool token_valid(struct str s);

/* Compare secrets of any length in a time that does not tell where they differ. */
_Bool secret_eq(struct str a, struct str b);

#endif
