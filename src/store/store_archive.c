/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_archive_internal.h"

#include "base/clock.h"
#include "store/record.h"

static struct archive *self(struct store *s)
{
    return (struct archive *)s;
}

static struct store *live(struct store *s)
{
    return self(s)->live;
}

/* ---- doubts ---- */

void archive_doubt(struct archive *a, const char *id, int64_t mark)
{
    struct doubt *d = map_get(&a->doubts, id);
    if (!d) {
        d = calloc(1, sizeof *d);
        CHECK(d);
        snprintf(d->id, sizeof d->id, "%s", id);
        map_put(&a->doubts, d->id, d);
    }
    d->mark = mark;
}

void archive_trust(struct archive *a, const char *id, int64_t mark)
{
    const struct doubt *d = map_get(&a->doubts, id);
    if (d && d->mark <= mark)
        free(map_take(&a->doubts, id));
}

void archive_wake(struct archive *a)
{
    pthread_mutex_lock(&a->lock);
    a->asked++;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

void archive_retract(struct archive *a, const char *id)
{
    struct err ignored;
    if (a->history->ops->retract(a->history, id, &ignored))
        return;
    pthread_mutex_lock(&a->lock);
    if (!map_get(&a->retracts, id)) {
        char *copy = strdup(id);
        CHECK(copy);
        map_put(&a->retracts, copy, copy);
    }
    a->asked++;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

/* ---- what goes to live alone ---- */

static enum got archive_admit(struct store *s, const struct job *job, const char *key, char *ret_id,
                              struct err *e)
{
    return store_admit(live(s), job, key, ret_id, e);
}

static bool archive_sync(struct store *s, struct err *e)
{
    return store_sync(live(s), e);
}

static void archive_start(struct store *s, const char *id, int attempt, int64_t started_us)
{
    store_start(live(s), id, attempt, started_us);
}

static bool archive_unfinished(struct store *s, void (*fn)(void *arg, const struct unfinished *x),
                               void *arg, struct err *e)
{
    return store_unfinished(live(s), fn, arg, e);
}

static bool archive_unarchived(struct store *s, int max, void (*fn)(void *arg, struct record *r),
                               void *arg, struct err *e)
{
    return store_unarchived(live(s), max, fn, arg, e);
}

static bool archive_archived(struct store *s, const char *id, int64_t finished_us, int64_t drop_us,
                             struct err *e)
{
    return store_archived(live(s), id, finished_us, drop_us, e);
}

static void archive_health(struct store *s, char *detail, size_t detail_size, char *fix,
                           size_t fix_size)
{
    store_health(live(s), detail, detail_size, fix, fix_size);
}

/* ---- deliveries ---- */

static bool archive_lease(struct store *s, int64_t now_us, int64_t lease_us, struct delivery *ret,
                          int max, int *ret_count, int64_t *ret_next_us, struct err *e)
{
    return live(s)->ops->deliveries->lease(live(s), now_us, lease_us, ret, max, ret_count,
                                           ret_next_us, e);
}

static bool archive_settle(struct store *s, const struct delivery *d,
                           const struct delivery_attempt *a, enum delivery_state state,
                           int64_t due_us, struct err *e)
{
    return live(s)->ops->deliveries->settle(live(s), d, a, state, due_us, e);
}

static enum got archive_replay(struct store *s, const char *id, int64_t now_us, struct err *e)
{
    return live(s)->ops->deliveries->replay(live(s), id, now_us, e);
}

static enum got archive_delivery(struct store *s, const char *id, struct delivery *ret,
                                 void (*attempt)(void *arg, const struct delivery_attempt *a),
                                 void *arg, struct err *e)
{
    return live(s)->ops->deliveries->load(live(s), id, ret, attempt, arg, e);
}

static bool archive_deliveries(struct store *s, const struct delivery_filter *f,
                               void (*fn)(void *arg, const struct delivery *d), void *arg,
                               struct err *e)
{
    return live(s)->ops->deliveries->list(live(s), f, fn, arg, e);
}

static bool archive_delivery_stats(struct store *s, struct delivery_stats *ret, struct err *e)
{
    return live(s)->ops->deliveries->stats(live(s), ret, e);
}

static const struct delivery_ops deliveries = {
    .lease = archive_lease,
    .settle = archive_settle,
    .replay = archive_replay,
    .load = archive_delivery,
    .list = archive_deliveries,
    .stats = archive_delivery_stats,
};

/* ---- what makes a record final, or another one ---- */

struct finish {
    struct archive *archive;
    store_done_fn done;
    void *arg;
};

static void finished(void *arg, enum got won, const struct err *e)
{
    struct finish *f = arg;
    if (won == GOT_ONE)
        archive_wake(f->archive);
    f->done(f->arg, won, e);
    free(f);
}

static void archive_finish(struct store *s, const char *id, const char *receipt,
                           const struct result *result, store_done_fn done, void *arg)
{
    struct finish *f = malloc(sizeof *f);
    CHECK(f);
    *f = (struct finish){ self(s), done, arg };
    store_finish(live(s), id, receipt, result, finished, f);
}

static enum got archive_cancel(struct store *s, const char *id, enum job_state *ret_state,
                               struct err *e)
{
    struct history *h = self(s)->history;
    enum got got = store_cancel(live(s), id, ret_state, e);
    if (got == GOT_ONE)
        archive_wake(self(s));
    if (got != GOT_FAILED || e->kind != ERR_NOT_FOUND)
        return got;

    /* What is final stays as it is, wherever that may be. */
    CLEANUP(record_done) struct record r = { 0 };
    struct err not_there = *e;
    got = h->ops->load(h, id, 0, &r, e);
    if (got == GOT_NONE)
        *e = not_there;
    if (got != GOT_ONE)
        return GOT_FAILED;
    *ret_state = r.state;
    return GOT_NONE;
}

static enum got archive_amend(struct store *s, const char *id, int64_t finished_us,
                              const struct result *result, struct err *e)
{
    struct archive *a = self(s);
    pthread_rwlock_wrlock(&a->view);
    enum got got = store_amend(a->live, id, finished_us, result, e);
    if (got == GOT_ONE)
        archive_doubt(a, id, ++a->marks);
    pthread_rwlock_unlock(&a->view);
    if (got == GOT_ONE)
        archive_wake(a);
    return got;
}

static enum got archive_reopen(struct store *s, const char *id, struct err *e)
{
    struct archive *a = self(s);
    pthread_rwlock_wrlock(&a->view);
    enum got got = store_reopen(a->live, id, e);
    if (got == GOT_ONE)
        archive_doubt(a, id, ++a->marks);
    pthread_rwlock_unlock(&a->view);
    if (got == GOT_ONE)
        archive_retract(a, id);
    return got;
}

/* ---- what looks into both ---- */

static enum got archive_load(struct store *s, const char *id, unsigned parts, struct record *ret,
                             struct err *e)
{
    struct history *h = self(s)->history;
    enum got got = store_load(live(s), id, parts, ret, e);
    return got == GOT_NONE ? h->ops->load(h, id, parts, ret, e) : got;
}

/* From the history first: what cannot be removed there is kept here as well, and the client told
 * so, rather than coming back later. */
static bool archive_remove(struct store *s, const char *id, struct err *e)
{
    struct archive *a = self(s);
    CLEANUP(record_done) struct record r = { 0 };
    enum got got = store_load(a->live, id, 0, &r, e);
    if (got == GOT_FAILED)
        return false;
    if (got == GOT_ONE && !state_final(r.state))
        return store_remove(a->live, id, e);

    bool there = a->history->ops->remove(a->history, id, e);
    if (!there && e->kind != ERR_NOT_FOUND)
        return false;
    bool here = store_remove(a->live, id, e); /* also what hangs on a record that is not here */
    if (!here && e->kind != ERR_NOT_FOUND)
        return false;
    pthread_rwlock_wrlock(&a->view);
    archive_trust(a, id, INT64_MAX);
    pthread_rwlock_unlock(&a->view);
    return here || there;
}

static bool archive_sweep(struct store *s, int64_t now_us, int batch, int64_t *ret, struct err *e)
{
    struct archive *a = self(s);
    int64_t here = 0, there = 0;
    if (!store_sweep(a->live, now_us, batch, &here, e))
        return false;
    struct err later; /* it is the mover's to say that the history is away */
    if (here < batch &&
        !a->history->ops->sweep(a->history, now_us, batch - (int)here, &there, &later))
        there = 0;
    *ret = here + there;
    archive_wake(a); /* another process may have died before it copied something */
    return true;
}

/* ---- health ---- */

static void say_misfits(struct archive *a, char *detail, size_t size)
{
    size_t at = 0;
    const struct misfit *first = map_next(&a->misfits, &at);
    snprintf(detail, size, "%zu submissions cannot be kept there and stay here: %s: %s",
             a->misfits.count, first->id, first->why);
}

bool store_archive_health(struct store *s, char *detail, size_t detail_size, char *fix,
                          size_t fix_size)
{
    struct archive *a = self(s);
    struct err e;
    bool ok = a->history->ops->check(a->history, detail, detail_size, &e);
    pthread_mutex_lock(&a->lock);
    if (!ok || a->away_us) {
        char since[32];
        wall_text(a->away_us ? a->away_us : wall_us(), since, sizeof since);
        snprintf(detail, detail_size, "takes nothing since %.19s: %s", since,
                 ok ? a->trouble : e.text);
        snprintf(fix, fix_size, "%s",
                 "see EVALX_DATABASE_URL and the database; submissions go on and follow later");
        ok = false;
    } else if (a->misfits.count) {
        say_misfits(a, detail, detail_size);
        snprintf(fix, fix_size, "%s", "remove them, or restart to have them tried again");
        ok = false;
    } else {
        snprintf(fix, fix_size, "%s", "");
    }
    pthread_mutex_unlock(&a->lock);
    return ok;
}

/* ---- opening ---- */

static void free_all(struct map *m)
{
    void *value;
    for (size_t at = 0; (value = map_next(m, &at));)
        free(value);
    map_done(m);
}

static void archive_close(struct store *s)
{
    struct archive *a = self(s);
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->mover, NULL);

    store_close(a->live); /* may still call finished() */
    history_close(a->history);
    free_all(&a->doubts);
    free_all(&a->misfits);
    free_all(&a->retracts);
    pthread_rwlock_destroy(&a->view);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static const struct store_ops archive_ops = {
    .admit = archive_admit,
    .sync = archive_sync,
    .start = archive_start,
    .finish = archive_finish,
    .amend = archive_amend,
    .reopen = archive_reopen,
    .load = archive_load,
    .cancel = archive_cancel,
    .remove = archive_remove,
    .list = archive_list,
    .unfinished = archive_unfinished,
    .sweep = archive_sweep,
    .unarchived = archive_unarchived,
    .archived = archive_archived,
    .health = archive_health,
    .close = archive_close,
};

static void init_locks(struct archive *a)
{
    pthread_rwlockattr_t views;
    pthread_rwlockattr_init(&views);
    /* Lists that follow on each other must not keep the mover out. */
    pthread_rwlockattr_setkind_np(&views, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&a->view, &views);
    pthread_rwlockattr_destroy(&views);

    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&a->changed, &clock);
    pthread_condattr_destroy(&clock);
    pthread_mutex_init(&a->lock, NULL);
}

struct store *store_archive_open(struct store *live_store, struct history *history, int64_t keep_us,
                                 struct err *e)
{
    struct archive *a = calloc(1, sizeof *a);
    CHECK(a);
    a->ops = archive_ops;
    a->ops.scheme = live_store->ops->scheme;
    a->ops.is_queue = live_store->ops->is_queue;
    a->ops.deliveries = live_store->ops->deliveries ? &deliveries : NULL;
    a->store.ops = &a->ops;
    a->live = live_store;
    a->live->inner = true;
    a->history = history;
    a->keep_us = keep_us;
    a->retry_us = 3 * US_PER_S;
    a->slow_again_us = 300 * US_PER_S;
    a->asked = 1; /* what an earlier process left */
    init_locks(a);

    int code = pthread_create(&a->mover, NULL, archive_mover, a);
    if (code == 0)
        return &a->store;
    err_sysno(e, code, "archive: thread");
    live_store->inner = false;
    pthread_rwlock_destroy(&a->view);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return NULL;
}
