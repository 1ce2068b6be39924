/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/sign.h"

#include "base/hash.h"
#include "base/text.h"

static const char prefix[] = "whsec_";

struct signer {
    struct buf *keys;
    size_t count;
};

struct signer *signer_new(const char *const *secrets, struct err *e)
{
    struct signer *s = calloc(1, sizeof *s);
    CHECK(s);
    size_t count = 0;
    while (secrets && secrets[count])
        count++;
    s->keys = calloc(count + 1, sizeof *s->keys);
    CHECK(s->keys);
    for (; s->count < count; s->count++) {
        struct str text = str_of(secrets[s->count]);
        struct buf *key = &s->keys[s->count];
        if (str_starts(text, prefix))
            text = (struct str){ text.ptr + sizeof prefix - 1, text.len - (sizeof prefix - 1) };
        if (base64_decode(key, text) && key->len >= SECRET_BYTES_LEAST &&
            key->len <= SECRET_BYTES_MOST)
            continue;
        err_set(e, ERR_INVALID,
                "webhook secret %zu must be %s and the base64 of %d to %d bytes; "
                "`evalx webhooks secret` makes one",
                s->count + 1, prefix, SECRET_BYTES_LEAST, SECRET_BYTES_MOST);
        s->count++; /* its bytes are freed too */
        signer_free(s);
        return NULL;
    }
    return s;
}

void signer_free(struct signer *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        if (s->keys[i].ptr)
            explicit_bzero(s->keys[i].ptr, s->keys[i].len);
        buf_done(&s->keys[i]);
    }
    free(s->keys);
    free(s);
}

bool signer_is_empty(const struct signer *s)
{
    return s->count == 0;
}

static void add_signed(struct buf *out, const char *id, const char *timestamp, struct str body)
{
    buf_addf(out, "%s.%s.", id, timestamp);
    buf_add_str(out, body);
}

static void add_signature(struct buf *out, const struct buf *key, struct str content)
{
    uint8_t mac[HASH_BYTES];
    hmac_sha256(buf_str(key), content, mac);
    buf_add_text(out, "v1,");
    base64_add(out, (struct str){ (const char *)mac, sizeof mac });
}

void signer_sign(const struct signer *s, const char *id, int64_t timestamp_s, struct str body,
                 struct buf *out)
{
    CLEANUP(buf_done) struct buf content = { 0 };
    char timestamp[24];
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)timestamp_s);
    add_signed(&content, id, timestamp, body);
    for (size_t i = 0; i < s->count; i++) {
        if (i)
            buf_add_char(out, ' ');
        add_signature(out, &s->keys[i], buf_str(&content));
    }
}

/* Whether one of the words is this one; in a time that does not tell where they differ. */
static bool has_word(const char *words, struct str wanted)
{
    bool found = false;
    while (*(words += strspn(words, " "))) {
        struct str word = { words, strcspn(words, " ") };
        found |= secret_eq(word, wanted);
        words += word.len;
    }
    return found;
}

bool signer_verify(const struct signer *s, const char *id, const char *timestamp, struct str body,
                   const char *header, int64_t now_s, struct err *e)
{
    int64_t at = 0;
    if (!id || !timestamp || !header)
        return err_set(e, ERR_INVALID, "%s is missing",
                       !id          ? "webhook-id"
                       : !timestamp ? "webhook-timestamp"
                                    : "webhook-signature");
    if (!parse_int(str_of(timestamp), &at) || at < 0)
        return err_set(e, ERR_INVALID, "webhook-timestamp is no number of seconds");
    if (at < now_s - SIGN_TOLERANCE_S || at > now_s + SIGN_TOLERANCE_S)
        return err_set(e, ERR_INVALID, "webhook-timestamp is more than %d s from now",
                       SIGN_TOLERANCE_S);

    CLEANUP(buf_done) struct buf content = { 0 };
    add_signed(&content, id, timestamp, body);
    bool good = false;
    for (size_t i = 0; i < s->count; i++) {
        CLEANUP(buf_done) struct buf wanted = { 0 };
        add_signature(&wanted, &s->keys[i], buf_str(&content));
        good |= has_word(header, buf_str(&wanted));
    }
    return good || err_set(e, ERR_INVALID, "no signature is by a secret we have");
}

void secret_new(char *out)
{
    uint8_t key[32];
    CLEANUP(buf_done) struct buf text = { 0 };
    random_bytes(key, sizeof key);
    base64_add(&text, (struct str){ (const char *)key, sizeof key });
    snprintf(out, SECRET_TEXT, "%s%s", prefix, text.ptr);
    explicit_bzero(key, sizeof key);
}
