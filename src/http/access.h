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
