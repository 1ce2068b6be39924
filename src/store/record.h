/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what every backend of the store does alike: a job or a result in its stored form back
 * to the struct, and when a record ends.
 */
#ifndef EVALX_STORE_RECORD_H
#define EVALX_STORE_RECORD_H

#include "store/store.h"

/* Fill r->job or r->result from the stored form. errors: BUG, what was stored cannot be read */
MUST_USE bool record_read_job(struct record *r, struct str json, struct err *e);
MUST_USE bool record_read_result(struct record *r, struct str json, struct err *e);

/* Whether an object's key has that value: a text equals itself, a number or a boolean its JSON
 * text; nothing else can be asked for. metadata: JSON, or NULL */
bool record_metadata_is(const char *metadata, const char *key, const char *value);

static inline bool state_final(enum job_state s)
{
    return s == STATE_FINISHED || s == STATE_CANCELLED;
}

/* A job's own retention, 0: the server's. One that is to be forgotten has not long to live. */
#define FORGET_US (INT64_C(600) * 1000000)
int64_t job_retention(const struct job *job);

/* When a record that ends now may be swept; 0: never. */
int64_t record_expires(int64_t finished_us, int64_t own_retention_us, int64_t retention_us);

/* When an amended record ended: another time than before, so that an archived() about what it was
 * says nothing about what it is. */
static inline int64_t record_amended(int64_t finished_us, int64_t result_finished_us)
{
    return result_finished_us > finished_us ? result_finished_us : finished_us + 1;
}

/* A result on its way into the store: what is in columns, and the stored form. */
struct ending {
    enum job_state state;
    enum verdict verdict;
    int attempt;
    int64_t started_us, finished_us;
    struct buf json;
};

void ending_init(struct ending *ending, const struct result *result);
/* The ending of a record that never ran. */
void ending_init_cancelled(struct ending *ending);
void ending_done(struct ending *ending);
CLEANUP_FOR_STRUCT(struct ending, ending_done)

/* What a job's end has to be told, as it is written down at its admission. */
struct owed {
    enum delivery_kind kind;
    const char *url; /* the job's */
};

enum { OWED_MOST = 2 };

/* Fill out; returns how many. */
int job_owes(const struct job *job, struct owed out[OWED_MOST]);

/* An idempotency key is remembered at least that long, though its record may have been moved to a
 * history; what became of a delivery that long after its last attempt. */
#define KEY_KEEP_US      (INT64_C(24) * 3600 * 1000000)
#define DELIVERY_KEEP_US (INT64_C(7) * 24 * 3600 * 1000000)

/* A key that was sent with another job than now. Always false. */
bool key_conflict(struct err *e);

#endif
