/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blobs_internal.h - what the files of this cache share. Nobody else includes it.
 *
 *   blobs.c        bytes in and out, the bound, the way around a Redis that is away
 *   blobs_claim.c  claims: who makes a blob, and waiting for it
 */
#ifndef EVALX_DRIVERS_BLOBS_INTERNAL_H
#define EVALX_DRIVERS_BLOBS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "drivers/blobs.h"
#include "drivers/redis_internal.h"

enum { BLOB_NAME = 200, OWNER_TEXT = 33 };

/* Claims of this process, and those of its threads that wait for others': see blobs_claim.c. */
struct claims {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    pthread_cond_t due;    /* for the renewing thread */
    struct map mine;       /* key -> struct claim */
    struct waiting *first; /* threads that wait */
    struct redis_ear *ear; /* once somebody had to wait */
    pthread_t renewer;     /* once something was claimed */
    bool has_renewer, stop;
};

struct blobs {
    struct redis *redis;
    char *name; /* "PREFIX:blob:KIND" */
    int shards;
    int64_t shard_bytes; /* bound of each */
    int64_t blob_max, ttl_us;
    _Atomic int64_t away_until_us; /* Redis did not answer lately: nobody asks before */
    _Atomic int64_t hits, misses, puts, damaged;
    struct traffic *traffic;
    struct claims claims;
};

/* Names of one key's things; all in one slot of a cluster. */
struct blob_names {
    char use[BLOB_NAME], size[BLOB_NAME]; /* the shard's: key by last use; key -> bytes, "" all */
    char prefix[BLOB_NAME];               /* of the blobs of the shard */
    char blob[BLOB_NAME], claim[BLOB_NAME];
};
/* False: the key is too long or empty. */
bool blob_names(const struct blobs *b, const char *key, struct blob_names *ret);

/* Ask unless Redis was away just now; does not wait long. NULL: go without. */
struct redis_reply *blobs_ask(struct blobs *b, const struct redis_call *call);
/* Send and forget. */
void blobs_tell(struct blobs *b, const struct redis_call *call);

void claims_init(struct claims *c);
/* Gives back what is claimed still. */
void claims_done(struct blobs *b);
/* Forget that this process has the key; owner gets "" when it had not. */
void claim_end(struct blobs *b, const char *key, char owner[OWNER_TEXT]);
/* Tell Redis that this owner's claim is over, without a blob. */
void claim_free(struct blobs *b, const char *key, const char *owner);

#endif
