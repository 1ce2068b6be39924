/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receivers.h - whose turn it is: deliveries that were taken from the store and wait to be sent, in
 * line per receiver (a host and a port).
 *
 * Promise  one receiver, or many of them, that hang cannot keep the others waiting. A receiver gets
 *          one transfer at a time at first, twice as many after each success, up to a bound, and
 *          one again after a failure. Those that have not answered well lately share a part of all
 *          transfers, so that the rest is always there for those that have. Receivers take turns.
 *          What waits is bounded too, far lower for those that do not answer: the rest is let go
 *          and comes again from the store.
 * Threads  one.
 */
#ifndef EVALX_WEBHOOK_RECEIVERS_H
#define EVALX_WEBHOOK_RECEIVERS_H

#include "store/delivery.h"

struct receiver;

/* A delivery on its way, as small as can be: there may be thousands. */
struct held {
    struct held *next;
    struct receiver *receiver;
    enum delivery_kind kind;
    int attempts;
    int64_t created_us;
    int64_t lease_us; /* monotonic: somebody else may have it from then on */
    char id[DELIVERY_TEXT], job[TOKEN_TEXT];
    char url[]; /* with its zero byte */
};

struct receivers;

struct receivers_config {
    int transfers;    /* at one time, all together; 0: 200 */
    int unproven;     /* of them, for receivers that have not answered well; 0: three quarters */
    int per_receiver; /* 0: 16 */
    int waiting;      /* held at most; 0: 8192. Of one receiver half of it, or 64 of one that has
                       * not answered well */
};

struct receivers *receivers_new(const struct receivers_config *config);
void receivers_free(struct receivers *rs);

/* Whether more may be taken from the store. */
bool receivers_have_room(const struct receivers *rs);

/* Copy a delivery in. False: too many wait for that receiver, or its URL is none (then *ret_bad).
 */
bool receivers_add(struct receivers *rs, const struct delivery *d, int64_t lease_us, bool *ret_bad);

/*
 * The next one to send, which counts as running until receivers_done(). Those whose lease ends
 * before now_us + time_us are let go.
 * ret  NULL: nobody may be sent to now
 */
struct held *receivers_next(struct receivers *rs, int64_t now_us, int64_t time_us);

/* It is over; well: the receiver answered as it should. Frees h. */
void receivers_done(struct receivers *rs, struct held *h, bool well);

/* It was not sent, through no fault of the receiver: first in its line again. */
void receivers_put_back(struct receivers *rs, struct held *h);

/* "host:port" */
const char *receiver_name(const struct receiver *r);

int receivers_running(const struct receivers *rs);
int receivers_waiting(const struct receivers *rs);
int receivers_known(const struct receivers *rs); /* receivers remembered */

#endif
