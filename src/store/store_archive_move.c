/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mover sleeps until something becomes final, waits a moment for more of it, then copies batch
 * after batch until nothing is left. Only when something is left (the history is away) it wakes up
 * by itself, every few seconds.
 *
 * Put first, archived() second: a crash in between copies once more. A batch that cannot be kept
 * (INVALID) is put record by record: what is refused then stays in live, remembered as a misfit,
 * and the others go on. So does, for some minutes, what takes too long alone, time after time,
 * although the history answers.
 */
#include "store/store_archive_internal.h"

#include <errno.h>

#include "base/clock.h"
#include "store/record.h"

enum {
    BATCH_MOST = 200,
    BATCH_BYTES = 16 * 1024 * 1024,
    MISFITS_MOST = 1000, /* with more the fault lies elsewhere */
    LONELY_MOST = 3,
};

#define AGAIN_LATER INT64_C(0) /* the server may have been busy */
#define AGAIN_NEVER INT64_MAX

static const int64_t gather_us = 50 * US_PER_MS;
static const int64_t dead_keep_us = 7 * 24 * 3600 * US_PER_S; /* an operator may retry them */
static const int64_t last_try_us = 5 * US_PER_S;

/* ---- a batch ---- */

struct batch {
    struct archive *archive;
    struct record records[BATCH_MOST];
    int count, most;
    int64_t bytes, mark;
    int seen; /* records that live gave, misfits and those for the next batch too */
};

static void batch_free(struct batch *b)
{
    for (int i = 0; i < b->count; i++)
        record_done(&b->records[i]);
    free(b);
}
CLEANUP_FOR(struct batch *, batch_free)

/* What is large in a record; the rest is small. */
static int64_t bytes_of(const struct record *r)
{
    size_t sum = r->result->compile.out.len;
    for (size_t i = 0; i < r->job->file_count; i++)
        sum += r->job->files[i].content.len;
    for (size_t i = 0; i < r->job->test_count; i++)
        sum += r->job->tests[i].stdin_data.len + r->job->tests[i].expected.len;
    for (size_t i = 0; i < r->result->test_count; i++) {
        const struct outcome *o = &r->result->tests[i].outcome;
        sum += o->out.len + o->err.len;
        for (size_t k = 0; k < o->file_count; k++)
            sum += o->files[k].content.len;
    }
    return (int64_t)sum;
}

static bool is_misfit(struct archive *a, const struct record *r)
{
    pthread_mutex_lock(&a->lock);
    struct misfit *m = map_get(&a->misfits, r->id);
    bool same = m && m->finished_us == r->finished_us && mono_us() < m->again_us;
    if (m)
        m->seen = true;
    pthread_mutex_unlock(&a->lock);
    return same;
}

static void gather(void *arg, struct record *r)
{
    struct batch *b = arg;
    b->seen++;
    bool full = b->count == b->most || (b->count > 0 && b->bytes >= BATCH_BYTES);
    if (is_misfit(b->archive, r) || full || !r->job || !r->result)
        return; /* what is not taken comes again */
    b->bytes += bytes_of(r);
    b->records[b->count++] = *r;
    r->job = NULL;
    r->result = NULL;
}

/* Misfits that are gone by now (removed, swept, reopened) are none any more. */
static void forget_misfits(struct archive *a, bool saw_all)
{
    pthread_mutex_lock(&a->lock);
    struct misfit *m, *gone;
    do {
        gone = NULL;
        for (size_t at = 0; !gone && saw_all && (m = map_next(&a->misfits, &at));)
            if (!m->seen)
                gone = m;
        if (gone)
            free(map_take(&a->misfits, gone->id));
    } while (gone);
    for (size_t at = 0; (m = map_next(&a->misfits, &at));)
        m->seen = false;
    pthread_mutex_unlock(&a->lock);
}

static bool fill(struct batch *b, struct err *e)
{
    struct archive *a = b->archive;
    pthread_mutex_lock(&a->lock);
    int ask = a->batch + (int)a->misfits.count;
    pthread_mutex_unlock(&a->lock);
    b->most = a->batch;
    if (!store_unarchived(a->live, ask, gather, b, e))
        return false;
    forget_misfits(a, b->seen < ask);
    return true;
}

/* ---- from one side to the other ---- */

/* From now on the history may have them. */
static void begin_move(struct batch *b)
{
    struct archive *a = b->archive;
    pthread_rwlock_wrlock(&a->view);
    b->mark = ++a->marks;
    for (int i = 0; i < b->count; i++)
        archive_doubt(a, b->records[i].id, b->mark);
    pthread_rwlock_unlock(&a->view);
}

/* The history has them for sure: lists take them from there. */
static bool end_move(struct batch *b, const struct record *records, int count, struct err *e)
{
    struct archive *a = b->archive;
    bool ok = true;
    pthread_rwlock_wrlock(&a->view);
    int64_t now = wall_us();
    for (int i = 0; ok && i < count; i++) {
        const struct record *r = &records[i];
        int64_t keep = r->result->verdict == VERDICT_INTERNAL_ERROR ? MAX(a->keep_us, dead_keep_us)
                                                                    : a->keep_us;
        ok = store_archived(a->live, r->id, r->finished_us, now + keep, e);
        if (ok)
            archive_trust(a, r->id, b->mark);
    }
    pthread_rwlock_unlock(&a->view);
    return ok;
}

static void note_misfit(struct archive *a, const struct record *r, const struct err *why,
                        int64_t again_us)
{
    pthread_mutex_lock(&a->lock);
    struct misfit *m = map_get(&a->misfits, r->id);
    if (!m) {
        m = calloc(1, sizeof *m);
        CHECK(m);
        memcpy(m->id, r->id, sizeof m->id);
        map_put(&a->misfits, m->id, m);
    }
    m->finished_us = r->finished_us;
    m->again_us = again_us == AGAIN_LATER ? mono_us() + a->slow_again_us : again_us;
    snprintf(m->why, sizeof m->why, "%.*s", (int)sizeof m->why - 1, why->text);
    pthread_mutex_unlock(&a->lock);
    /* It is not there: nobody has to leave it out. */
    pthread_rwlock_wrlock(&a->view);
    archive_trust(a, r->id, INT64_MAX);
    pthread_rwlock_unlock(&a->view);
}

static bool put(struct batch *b, const struct record *records, int count, struct err *e)
{
    struct history *h = b->archive->history;
    return h->ops->put(h, records, (size_t)count, e) && end_move(b, records, count, e);
}

static bool put_singly(struct batch *b, struct err *e)
{
    for (int i = 0; i < b->count; i++) {
        if (put(b, &b->records[i], 1, e))
            continue;
        if (e->kind != ERR_INVALID)
            return false;
        note_misfit(b->archive, &b->records[i], e, AGAIN_NEVER);
    }
    return true;
}

/* One alone takes too long again and again, and the history is well: it is the record. */
static bool give_up_on(struct batch *b, const struct err *why)
{
    struct archive *a = b->archive;
    char detail[240];
    struct err e;
    if (b->count != 1 || why->sys != ETIMEDOUT ||
        !a->history->ops->check(a->history, detail, sizeof detail, &e))
        return false;
    if (++a->lonely < LONELY_MOST)
        return false;
    note_misfit(a, &b->records[0], why, AGAIN_LATER);
    return true;
}

static bool move(struct batch *b, struct err *e)
{
    struct archive *a = b->archive;
    begin_move(b);
    if (put(b, b->records, b->count, e) || (e->kind == ERR_INVALID && put_singly(b, e)) ||
        give_up_on(b, e)) {
        a->batch = MIN(a->batch * 2, BATCH_MOST);
        a->lonely = 0;
        return true;
    }
    a->batch = MAX(a->batch / 2, 1); /* it may be too much at one time */
    return false;
}

/* ---- passes ---- */

static void note_outcome(struct archive *a, bool ok, const struct err *e)
{
    pthread_mutex_lock(&a->lock);
    if (ok) {
        a->away_us = 0;
    } else {
        if (!a->away_us)
            a->away_us = wall_us();
        snprintf(a->trouble, sizeof a->trouble, "%s", e->text);
    }
    pthread_mutex_unlock(&a->lock);
}

static char *next_retract(struct archive *a)
{
    size_t at = 0;
    pthread_mutex_lock(&a->lock);
    char *id = map_next(&a->retracts, &at);
    if (id)
        map_take(&a->retracts, id);
    pthread_mutex_unlock(&a->lock);
    return id;
}

/* Before anything is put: what was reopened may be final again in the batch to come. */
static bool retract_all(struct archive *a, struct err *e)
{
    char *id;
    while ((id = next_retract(a))) {
        bool ok = a->history->ops->retract(a->history, id, e);
        if (!ok)
            archive_retract(a, id);
        free(id);
        if (!ok)
            return false;
    }
    return true;
}

static bool too_many_misfits(struct archive *a, struct err *e)
{
    pthread_mutex_lock(&a->lock);
    bool many = a->misfits.count >= MISFITS_MOST;
    if (many) { /* a fault of the database's: all of them get their chance when it is mended */
        size_t at = 0;
        struct misfit *m = map_next(&a->misfits, &at);
        err_set(e, ERR_SYSTEM, "it takes nothing: %s", m->why);
        for (; m; at = 0, m = map_next(&a->misfits, &at))
            free(map_take(&a->misfits, m->id));
    }
    pthread_mutex_unlock(&a->lock);
    return many;
}

/* False: something is left, see e. */
static bool pass(struct archive *a, int64_t until_us, struct err *e)
{
    if (!retract_all(a, e))
        return false;
    do {
        CLEANUP(batch_free) struct batch *b = calloc(1, sizeof *b);
        CHECK(b);
        b->archive = a;
        if (!fill(b, e))
            return false;
        if (b->count == 0)
            return true;
        if (!move(b, e) || too_many_misfits(a, e))
            return false;
    } while (mono_us() < until_us);
    return err_set(e, ERR_UNAVAILABLE, "stopping");
}

/* While it is known to be away a small question comes first: a batch is much to read in vain. */
static bool try_pass(struct archive *a, bool away, int64_t until_us)
{
    char detail[240];
    struct err e;
    bool ok = (!away || a->history->ops->check(a->history, detail, sizeof detail, &e)) &&
              pass(a, until_us, &e);
    note_outcome(a, ok, &e);
    return ok;
}

/* Wait, under lock, for a stop or for the time to be over. */
static void doze(struct archive *a, int64_t us)
{
    struct timespec until = us_to_timespec(mono_us() + us);
    while (!a->stop && pthread_cond_timedwait(&a->changed, &a->lock, &until) == 0)
        continue;
}

/* Until it is time for a pass; under lock. False: to stop. */
static bool rest(struct archive *a, bool left)
{
    if (left) {
        doze(a, a->retry_us); /* whoever asks meanwhile: that does not bring it back */
    } else {
        while (!a->stop && a->asked == a->done)
            pthread_cond_wait(&a->changed, &a->lock);
        doze(a, gather_us);
    }
    return !a->stop;
}

void *archive_mover(void *archive)
{
    struct archive *a = archive;
    bool left = false;
    a->batch = BATCH_MOST;

    pthread_mutex_lock(&a->lock);
    while (rest(a, left)) {
        int64_t asked = a->asked;
        pthread_mutex_unlock(&a->lock);
        left = !try_pass(a, left, INT64_MAX);
        pthread_mutex_lock(&a->lock);
        if (!left)
            a->done = asked;
        pthread_cond_broadcast(&a->changed);
    }
    bool more = a->asked != a->done;
    pthread_mutex_unlock(&a->lock);

    /* Live may forget with the process. */
    if (more && !left)
        try_pass(a, false, mono_us() + last_try_us);
    return NULL;
}

bool store_archive_settle(struct store *s, int64_t wait_us)
{
    struct archive *a = (struct archive *)s;
    struct timespec until = us_to_timespec(mono_us() + wait_us);
    pthread_mutex_lock(&a->lock);
    int64_t mine = ++a->asked;
    pthread_cond_broadcast(&a->changed);
    int code = 0;
    while (a->done < mine && code == 0)
        code = pthread_cond_timedwait(&a->changed, &a->lock, &until);
    bool ok = a->done >= mine;
    pthread_mutex_unlock(&a->lock);
    return ok;
}
