/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <sys/random.h>

#include "base/attr.h"
#include "base/text.h"

struct hash *hash_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL));
    return (struct hash *)ctx;
}

static void add_raw(struct hash *h, const void *bytes, size_t len)
{
    CHECK(EVP_DigestUpdate((EVP_MD_CTX *)h, bytes, len));
}

void hash_add(struct hash *h, struct str piece)
{
    uint64_t len = piece.len;
    add_raw(h, &len, sizeof len);
    add_raw(h, piece.ptr, piece.len);
}

void hash_add_int(struct hash *h, int64_t value)
{
    add_raw(h, &value, sizeof value);
}

void hash_finish(struct hash *h, char out[HASH_TEXT])
{
    uint8_t digest[HASH_BYTES];
    CHECK(EVP_DigestFinal_ex((EVP_MD_CTX *)h, digest, NULL));
    EVP_MD_CTX_free((EVP_MD_CTX *)h);
    hex_text(digest, sizeof digest, out);
}

void sha1_text(struct str bytes, char out[SHA1_TEXT])
{
    uint8_t digest[20];
    CHECK(EVP_Digest(bytes.ptr, bytes.len, digest, NULL, EVP_sha1(), NULL));
    hex_text(digest, sizeof digest, out);
}

void hmac_sha256(struct str key, struct str bytes, uint8_t out[HASH_BYTES])
{
    unsigned len = 0;
    CHECK(HMAC(EVP_sha256(), key.ptr, (int)key.len, (const uint8_t *)bytes.ptr, bytes.len, out,
               &len) &&
          len == HASH_BYTES);
}

void random_bytes(void *out, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t got = getrandom((char *)out + done, len - done, 0);
        CHECK(got > 0);
        done += (size_t)got;
    }
}

void token_new(char out[TOKEN_TEXT])
{
    uint8_t b[16];
    random_bytes(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    char hex[33];
    hex_text(b, sizeof b, hex);
    snprintf(out, TOKEN_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

bool token_valid(struct str s)
{
    if (s.len != TOKEN_TEXT - 1)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (dash ? c != '-' : !digit)
            return false;
    }
    return true;
}

bool secret_eq(struct str a, struct str b)
{
    /* Equal lengths first through a hash would hide the length too; tokens need not. */
    return a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0;
}
