/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - what somebody is owed: the result of a submission, sent to the address it named.
 *
 * Part of a store (store_ops.deliveries): a job that names a webhook_url or a callback_url is
 * admitted with its deliveries, which become due in the same write that makes the record final. The
 * id of a delivery follows from the submission's, so a submission never has two for one address,
 * and a receiver can tell repeats by it. The body is not kept: it is rendered from the record.
 *
 * Not here  sending (webhook/).
 * Threads   any, for every call.
 */
#ifndef EVALX_STORE_DELIVERY_H
#define EVALX_STORE_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

struct store;

enum delivery_kind {
    DELIVERY_WEBHOOK,  /* job.webhook_url: Standard Webhooks, POST; id "msg_<32 hex digits>" */
    DELIVERY_CALLBACK, /* job.callback_url: Judge0's PUT; id "cb_<32 hex digits>" */
};

enum delivery_state {
    DELIVERY_OWED,      /* its submission is not final yet */
    DELIVERY_PENDING,   /* to be sent, at due_us */
    DELIVERY_DELIVERED, /* a 2xx came back */
    DELIVERY_FAILED,    /* every attempt of the schedule failed */
    DELIVERY_REFUSED,   /* 410, or an address we never send to: no more attempts */
};

enum { DELIVERY_TEXT = 40, DELIVERY_URL = 2048, DELIVERY_ERROR = 200, DELIVERY_LOG = 50 };

struct delivery {
    char id[DELIVERY_TEXT];
    char job[TOKEN_TEXT];
    char url[DELIVERY_URL];
    enum delivery_kind kind;
    enum delivery_state state;
    int attempts;               /* made so far, of this round: replay starts at 0 again */
    int64_t created_us, due_us; /* wall clock; due_us: PENDING alone */
};

/* One attempt, for the log; the last DELIVERY_LOG are kept. */
struct delivery_attempt {
    int64_t at_us, took_us;     /* wall clock, duration */
    int status;                 /* HTTP's; 0: none came */
    char error[DELIVERY_ERROR]; /* "" when it was delivered */
};

struct delivery_filter {
    bool has_state;
    enum delivery_state state;
    const char *job;   /* NULL: all */
    const char *after; /* cursor: the last id of the page before; NULL: from the newest */
    int limit;         /* 1..1000 */
};

struct delivery_stats {
    int64_t pending;
    int64_t oldest_due_us; /* wall clock; 0: none */
};

struct delivery_ops {
    /*
     * Take deliveries that are due and keep others from taking them for lease_us. What is not
     * settled by then is due again.
     * ret_next_us  when there may be more to take, wall clock: the next one is due, or a lease
     *              ends (of those taken now too); INT64_MAX: none
     */
    bool (*lease)(struct store *s, int64_t now_us, int64_t lease_us, struct delivery *ret, int max,
                  int *ret_count, int64_t *ret_next_us, struct err *e);

    /*
     * Note an attempt: d->attempts + 1 are made, and the state is now state; PENDING: due again at
     * due_us. Fenced by d->attempts: of two who sent at one time the first one counts.
     */
    bool (*settle)(struct store *s, const struct delivery *d, const struct delivery_attempt *a,
                   enum delivery_state state, int64_t due_us, struct err *e);

    /* Send again: PENDING and due at now_us, attempts 0, the log kept. GOT_NONE: unknown, or OWED.
     */
    enum got (*replay)(struct store *s, const char *id, int64_t now_us, struct err *e);

    /* attempts: called for each, oldest first; may be NULL. GOT_NONE: unknown. */
    enum got (*load)(struct store *s, const char *id, struct delivery *ret,
                     void (*attempt)(void *arg, const struct delivery_attempt *a), void *arg,
                     struct err *e);

    /* Newest first, OWED ones left out unless asked for. */
    bool (*list)(struct store *s, const struct delivery_filter *f,
                 void (*fn)(void *arg, const struct delivery *d), void *arg, struct err *e);

    bool (*stats)(struct store *s, struct delivery_stats *ret, struct err *e);
};

const char *delivery_state_name(enum delivery_state s); /* "owed", "pending", ... */
const char *delivery_kind_name(enum delivery_kind k);   /* "webhook", "callback" */

/* The id of a submission's delivery. out: DELIVERY_TEXT bytes */
void delivery_id(enum delivery_kind kind, const char *job_id, char *out);

#endif
