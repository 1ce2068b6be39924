/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_archive_internal.h - what the files of the archive share. Nobody else includes it.
 *
 *   store_archive.c       the store's verbs: nearly all go to the live one
 *   store_archive_list.c  one list out of two
 *   store_archive_move.c  the thread that copies what is final into the history
 *
 * A record is in live alone, then in both, then in the history alone. A list takes from live what
 * is not archived, and the rest from the history: each once, though there are moments when live
 * does not know yet that the history has it, and records that changed after it had them. Those are
 * the doubts: a list leaves them out of the history. They change together with archived(), under a
 * lock that lists hold for reading, so that to every list a record is on one side or the other.
 *
 * Several processes with one live store (a cluster) each have an archive. What one of them does not
 * know of the others' doubts shows for milliseconds: then a list finds the same id twice, and gives
 * it once. They may also copy the same records at one time, which is work for nothing, no more:
 * each waits a little after a finish for more to come, and usually finds that another was first.
 */
#ifndef EVALX_STORE_ARCHIVE_INTERNAL_H
#define EVALX_STORE_ARCHIVE_INTERNAL_H

#include <pthread.h>

#include "base/map.h"
#include "store/history.h"
#include "store/store_archive.h"

/* Live has it as not archived, the history may have it all the same. */
struct doubt {
    char id[TOKEN_TEXT];
    int64_t mark; /* of who put it here last */
};

/* Something the history does not take. Tried again when it was amended, or after a restart; when it
 * only took too long, at its time too. */
struct misfit {
    char id[TOKEN_TEXT];
    int64_t finished_us;
    int64_t again_us; /* monotonic */
    bool seen;        /* in this pass */
    char why[200];
};

struct archive {
    struct store store; /* first: what callers hold */
    struct store_ops ops;
    struct store *live;
    struct history *history;
    int64_t keep_us;

    pthread_rwlock_t view; /* read: a list is being made; write: a record changes sides */
    struct map doubts;     /* under view: id -> struct doubt */
    int64_t marks;         /* under view */

    pthread_t mover;
    /* The mover's alone. */
    int batch;  /* records at one time: less after a failure */
    int lonely; /* times that a record alone failed although the history answers */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool stop;
    int64_t retry_us;      /* between two passes while something is left */
    int64_t slow_again_us; /* until what took too long is tried again */
    int64_t asked, done;   /* passes: wanted, and ended with nothing left */
    struct map misfits;    /* id -> struct misfit */
    struct map retracts;   /* reopened, and the history could not be told: id -> char *, the id */
    int64_t away_us; /* since when the history does not take anything, wall clock; 0: it does */
    char trouble[240];
};

/* Under view, for writing. */
void archive_doubt(struct archive *a, const char *id, int64_t mark);
void archive_trust(struct archive *a, const char *id, int64_t mark); /* INT64_MAX: in any case */

/* Something is final, or became so again: the mover has a look. */
void archive_wake(struct archive *a);
/* The history has a record that is not final any more. */
void archive_retract(struct archive *a, const char *id);

bool archive_list(struct store *s, const struct store_filter *f, unsigned parts,
                  void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                  int64_t *ret_total, struct err *e);

void *archive_mover(void *archive);

#endif
