/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign.h - signatures of webhooks, so that a receiver knows who sent them and when.
 *
 * What is signed is "ID.TIMESTAMP.BODY"; the key is what stands behind "whsec_" in the secret, in
 * base64. While a secret is replaced there are several: each signs, and a receiver takes what one
 * of its own secrets confirms.
 *
 * Source   Standard Webhooks 1.0.0, https://www.standardwebhooks.com
 * Threads  any; a struct signer is const once made.
 */
#ifndef EVALX_WEBHOOK_SIGN_H
#define EVALX_WEBHOOK_SIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

enum { SECRET_BYTES_LEAST = 24, SECRET_BYTES_MOST = 64, SECRET_TEXT = 64 };

struct signer;

/*
 * secrets  NULL-ended, "whsec_<base64 of 24 to 64 bytes>" (without the prefix too); none: nothing
 * is signed errors   INVALID saying which one and why, never the secret itself
 */
MUST_USE struct signer *signer_new(const char *const *secrets, struct err *e);
void signer_free(struct signer *s);
CLEANUP_FOR(struct signer *, signer_free)

bool signer_is_empty(const struct signer *s);

/* Append "v1,<base64>", one per secret, separated by spaces: the webhook-signature header. */
void signer_sign(const struct signer *s, const char *id, int64_t timestamp_s, struct str body,
                 struct buf *out);

/* How far a timestamp may be from now, as receivers are told to have it. */
enum { SIGN_TOLERANCE_S = 300 };

/*
 * Whether header holds a signature by one of the secrets, and the timestamp is near now.
 *
 * errors  INVALID saying what does not fit
 */
MUST_USE bool signer_verify(const struct signer *s, const char *id, const char *timestamp,
                            struct str body, const char *header, int64_t now_s, struct err *e);

/* A new secret. out: SECRET_TEXT bytes */
void secret_new(char *out);

#endif
