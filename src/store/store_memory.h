/* SPDX-License-Identifier: Apache-2.0 */
/* store_memory.h - what the two halves of this backend share: submissions and their deliveries. */
#ifndef EVALX_STORE_MEMORY_H
#define EVALX_STORE_MEMORY_H

#include <pthread.h>

#include "base/map.h"
#include "store/record.h"

struct kept {
    struct record head; /* job and result stay NULL */
    int64_t retention_us, expires_us, start_us;
    int priority;
    enum verdict verdict;
    bool archived, owes;
    bool forget;                        /* no history is to have it */
    char *language, *tenant, *metadata; /* NULL */
    struct buf job, result;
    struct kept *older, *newer;
};

/* An idempotency key. */
struct kept_key {
    char *key;
    char id[TOKEN_TEXT], fingerprint[HASH_TEXT];
    int64_t expires_us; /* then it goes, unless its record is here */
};

/* A delivery. */
struct sending {
    struct delivery head;
    int64_t settled_us;
    struct delivery_attempt log[DELIVERY_LOG]; /* a ring */
    int log_count, log_first;
    struct sending *older, *newer;
};

struct memory {
    struct store store; /* first: what callers hold */
    struct store_config config;

    pthread_mutex_t lock; /* guards what follows */
    struct map ids;       /* -> struct kept */
    struct map keys;      /* -> struct kept_key */
    struct kept *newest, *oldest;
    int64_t last_seq;
    struct map sendings; /* id -> struct sending */
    struct sending *newest_sending, *oldest_sending;
};

static inline struct memory *memory_lock(struct store *s)
{
    struct memory *m = (struct memory *)s;
    pthread_mutex_lock(&m->lock);
    return m;
}

static inline void memory_unlock(struct memory *m)
{
    pthread_mutex_unlock(&m->lock);
}

/* store_memory_delivery.c; all but the table with the lock held. */
extern const struct delivery_ops memory_deliveries;
void memory_owe(struct memory *m, const struct job *job);
void memory_make_due(struct memory *m, const char *job_id);
void memory_owe_again(struct memory *m, const char *job_id);
void memory_forget_deliveries(struct memory *m, const char *job_id);
void memory_sweep_deliveries(struct memory *m, int64_t now_us);
void memory_close_deliveries(struct memory *m);

#endif
