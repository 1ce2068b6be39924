/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access.h - who may ask: addresses, tokens, origins. One set of rules guards both faces.
 *
 * Tokens are compared in a time that does not tell where they differ, and never logged.
 */
#ifndef EVALX_HTTP_ACCESS_H
#define EVALX_HTTP_ACCESS_H

#include "http/request.h"

/* ALLOW_IP and DISALLOW_IP. X-Forwarded-For counts when the peer is a proxy of ours (loopback or a
 * private network). */
bool access_ip(struct request *r);

/* No token configured, or a valid one came: in AUTHN_HEADER, as Authorization: Bearer, or on the
 * Judge0 face as a parameter of the header's name. */
bool access_authn(const struct request *r);

/* Whose request it is: a short hash of the token that let it in, in the arena; NULL where nobody
 * needs one. */
const char *access_tenant(const struct request *r, struct arena *arena);

/*
 * The operator of this server: has one of EVALX_ADMIN_TOKENS (as Authorization: Bearer or in
 * AUTHN_HEADER); where there are none, asks from this machine, neither through a proxy nor from a
 * web page.
 */
bool access_operator(struct request *r);

/* Came with Authorization: Bearer and one of these; NULL-ended. */
bool access_bearer(const struct request *r, const char *const *tokens);

/* The second token of Judge0's administrative routes; without one configured nobody passes. */
bool access_authz(const struct request *r);

/* Put the CORS headers of this origin into the reply. */
void access_cors(struct request *r);

/* OPTIONS of a browser that asks what it may send. */
bool access_is_preflight(const struct request *r);

/* Whether text is among the words (split at white space); in a time that depends on lengths alone.
 */
bool words_have(const char *words, const char *text);

#endif
