/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender.h - sends what is owed: leases deliveries from the store, signs and sends them, notes how
 * it went and when to try again.
 *
 * Promise  at least once, always with the same id, each attempt in the log. Execution never waits
 *          for a receiver, nor does one receiver for another (receivers.h). Asleep while nothing is
 *          due: woken by the bus, and by the time the store named.
 * Success  a 2xx status, nothing else. 410 and addresses that are never sent to end a delivery, any
 *          other answer and none is a failed attempt: redirects, time-outs, broken TLS.
 * Many     processes may have a sender on one store: the lease keeps them apart.
 * Threads  one of its own; the functions here from any.
 */
#ifndef EVALX_WEBHOOK_SENDER_H
#define EVALX_WEBHOOK_SENDER_H

#include "base/buf.h"
#include "bus/bus.h"
#include "drivers/web.h"
#include "store/store.h"
#include "webhook/receivers.h"
#include "webhook/schedule.h"
#include "webhook/sign.h"

struct sender;

/* Append the body for a final record: the native face's form for DELIVERY_WEBHOOK, Judge0's for
 * DELIVERY_CALLBACK; JSON both. Called from the sender's thread. */
typedef void (*sender_render_fn)(void *arg, enum delivery_kind kind, const struct record *r,
                                 struct buf *out);

struct sender_config {
    const struct signer *signer;   /* borrowed */
    const struct web_guard *guard; /* borrowed */
    const char *ca_file;           /* NULL: the system's authorities */
    struct schedule webhook, callback;
    int64_t webhook_timeout_us, callback_timeout_us; /* of one attempt; 0: 15 s */
    struct receivers_config receivers;
    sender_render_fn render;
    void *render_arg;
};

/* store and bus are borrowed and must outlive it. errors: SYSTEM */
MUST_USE struct sender *sender_start(const struct sender_config *config, struct store *store,
                                     struct bus *bus, struct err *e);
/* Transfers under way get two more seconds; what is cut off then is sent again. Accepts NULL. */
void sender_stop(struct sender *s);
CLEANUP_FOR(struct sender *, sender_stop)

struct sender_stats {
    int64_t delivered, failed, refused; /* attempts by outcome, since start */
    int running, waiting;               /* here and now */
};
void sender_stats(struct sender *s, struct sender_stats *ret);

#endif
