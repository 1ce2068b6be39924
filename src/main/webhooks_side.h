/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhooks_side.h - what a server that answers clients needs to tell results to others: the guard,
 * the secrets, the sender.
 *
 * Threads: one.
 */
#ifndef EVALX_MAIN_WEBHOOKS_SIDE_H
#define EVALX_MAIN_WEBHOOKS_SIDE_H

#include "bus/bus.h"
#include "http/server.h"
#include "main/settings.h"
#include "service/service.h"
#include "webhook/sender.h"

struct webhooks_side {
    struct web_guard *guard; /* http's too */
    struct signer *signer;
    struct schedule schedule;
    struct sender *sender;
};

/* Read the settings. errors: INVALID naming the variable; to be emptied then too */
MUST_USE bool webhooks_side_open(struct webhooks_side *ret, const struct settings *s,
                                 struct err *e);

/* Begin to send; http renders, and must be stopped later. errors: SYSTEM */
MUST_USE bool webhooks_side_start(struct webhooks_side *w, const struct settings *s,
                                  const struct judge0_config *judge0, struct http *http,
                                  struct store *store, struct bus *bus, struct err *e);

/* A row of /health: what is late. store: whose deliveries. */
void webhooks_side_check(void *store, struct health_check *c);

/* Send nothing more. */
void webhooks_side_stop(struct webhooks_side *w);
/* After http_stop(): it asks the guard. */
void webhooks_side_done(struct webhooks_side *w);

#endif
