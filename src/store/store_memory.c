/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything in one map under one lock, in the stored form, so that what comes out is a copy and
 * passes through the same reader and writer as in the other backends.
 */
#include "store/store_memory.h"

#include <inttypes.h>

#include "base/clock.h"

static char *copy(const char *text)
{
    char *made = text ? strdup(text) : NULL;
    CHECK(made || !text);
    return made;
}

static void kept_free(struct kept *k)
{
    free(k->language);
    free(k->tenant);
    free(k->metadata);
    buf_done(&k->job);
    buf_done(&k->result);
    free(k);
}

/* ---- in and out of the map ---- */

static void insert(struct memory *m, struct kept *k)
{
    k->head.seq = m->last_seq = MAX(wall_us(), m->last_seq + 1);
    k->older = m->newest;
    if (k->older)
        k->older->newer = k;
    else
        m->oldest = k;
    m->newest = k;
    map_put(&m->ids, k->head.id, k);
}

static void delete (struct memory *m, struct kept *k)
{
    *(k->older ? &k->older->newer : &m->oldest) = k->newer;
    *(k->newer ? &k->newer->older : &m->newest) = k->older;
    map_take(&m->ids, k->head.id);
    kept_free(k);
}

/* ---- idempotency keys ---- */

static void key_free(struct kept_key *x)
{
    free(x->key);
    free(x);
}

static void remember_key(struct memory *m, const char *key, const struct job *job,
                         const char *fingerprint)
{
    struct kept_key *x = calloc(1, sizeof *x);
    CHECK(x);
    x->key = copy(key);
    memcpy(x->id, job->id, sizeof x->id);
    memcpy(x->fingerprint, fingerprint, sizeof x->fingerprint);
    x->expires_us = wall_us() + KEY_KEEP_US;
    map_put(&m->keys, x->key, x);
}

/* Those of one submission; or, without one, those that nobody can ask for any more. */
static void forget_keys(struct memory *m, const char *id, int64_t now_us)
{
    size_t at = 0;
    for (struct kept_key *x; (x = map_next(&m->keys, &at));) {
        if (id ? strcmp(x->id, id) != 0 : x->expires_us > now_us || map_get(&m->ids, x->id))
            continue;
        map_take(&m->keys, x->key);
        key_free(x);
        at = 0; /* the map has moved */
    }
}

static struct kept *kept_new(const struct job *job)
{
    struct kept *k = calloc(1, sizeof *k);
    CHECK(k);
    memcpy(k->head.id, job->id, sizeof k->head.id);
    k->head.created_us = job->created_us;
    k->retention_us = job_retention(job);
    k->forget = job->forget;
    k->start_us = job->start_us;
    k->priority = (int)job->priority;
    k->owes = job->webhook_url || job->callback_url;
    k->language = copy(job->language);
    k->tenant = copy(job->tenant);
    k->metadata = copy(job->metadata);
    job_to_json(job, &k->job);
    return k;
}

/* Whether an id is free and its key too; GOT_NONE: the key is that of ret_id. */
static enum got may_enter(struct memory *m, const struct job *job, const char *key,
                          const char *fingerprint, char *ret_id, struct err *e)
{
    const struct kept_key *earlier = key ? map_get(&m->keys, key) : NULL;
    if (earlier && strcmp(earlier->fingerprint, fingerprint) != 0) {
        key_conflict(e);
        return GOT_FAILED;
    }
    if (!earlier && map_get(&m->ids, job->id)) {
        err_set(e, ERR_CONFLICT, "submission %s exists already", job->id);
        return GOT_FAILED;
    }
    memcpy(ret_id, earlier ? earlier->id : job->id, TOKEN_TEXT);
    return earlier ? GOT_NONE : GOT_ONE;
}

static enum got memory_admit(struct store *s, const struct job *job, const char *key, char *ret_id,
                             struct err *e)
{
    char fingerprint[HASH_TEXT] = "";
    if (key)
        job_fingerprint(job, fingerprint);
    struct kept *k = kept_new(job);

    struct memory *m = memory_lock(s);
    enum got got = may_enter(m, job, key, fingerprint, ret_id, e);
    if (got == GOT_ONE) {
        insert(m, k);
        if (key)
            remember_key(m, key, job, fingerprint);
        memory_owe(m, job);
    }
    memory_unlock(m);
    if (got != GOT_ONE)
        kept_free(k);
    return got;
}

static bool memory_sync(UNUSED struct store *s, UNUSED struct err *e)
{
    return true;
}

/* ---- the life of a record ---- */

static void memory_start(struct store *s, const char *id, int attempt, int64_t started_us)
{
    struct memory *m = memory_lock(s);
    struct kept *k = map_get(&m->ids, id);
    if (k && !state_final(k->head.state)) {
        k->head.state = STATE_RUNNING;
        k->head.attempts = attempt;
        k->head.started_us = started_us;
    }
    memory_unlock(m);
}

/* Takes the stored form over. */
static void end(struct memory *m, struct kept *k, struct ending *ending)
{
    k->head.state = ending->state;
    k->head.attempts = MAX(k->head.attempts, ending->attempt);
    if (ending->started_us > 0)
        k->head.started_us = ending->started_us;
    k->head.finished_us = ending->finished_us;
    k->verdict = ending->verdict;
    k->expires_us = record_expires(ending->finished_us, k->retention_us, m->config.retention_us);
    buf_done(&k->result);
    k->result = ending->json;
    ending->json = (struct buf){ 0 };
    if (k->owes)
        memory_make_due(m, k->head.id);
}

static void memory_finish(struct store *s, const char *id, UNUSED const char *receipt,
                          const struct result *result, store_done_fn done, void *arg)
{
    static const struct err none;
    CLEANUP(ending_done) struct ending ending;
    ending_init(&ending, result);

    struct memory *m = memory_lock(s);
    struct kept *k = map_get(&m->ids, id);
    bool won = k && !state_final(k->head.state);
    if (won)
        end(m, k, &ending);
    memory_unlock(m);
    done(arg, won ? GOT_ONE : GOT_NONE, &none);
}

static enum got memory_amend(struct store *s, const char *id, int64_t finished_us,
                             const struct result *result, UNUSED struct err *e)
{
    CLEANUP(ending_done) struct ending ending;
    ending_init(&ending, result);

    struct memory *m = memory_lock(s);
    struct kept *k = map_get(&m->ids, id);
    bool fits = k && state_final(k->head.state) && k->head.finished_us == finished_us;
    if (fits) {
        buf_done(&k->result);
        k->result = ending.json;
        ending.json = (struct buf){ 0 };
        k->archived = false;
        k->head.finished_us = record_amended(finished_us, ending.finished_us);
        k->expires_us =
            record_expires(k->head.finished_us, k->retention_us, m->config.retention_us);
    }
    memory_unlock(m);
    return fits ? GOT_ONE : GOT_NONE;
}

static enum got memory_reopen(struct store *s, const char *id, UNUSED struct err *e)
{
    struct memory *m = memory_lock(s);
    struct kept *k = map_get(&m->ids, id);
    bool fits = k && k->head.state == STATE_FINISHED && k->verdict == VERDICT_INTERNAL_ERROR;
    if (fits) {
        k->head.state = STATE_QUEUED;
        k->head.attempts = 0;
        k->head.started_us = k->head.finished_us = 0;
        k->head.cancel_asked = false;
        k->verdict = VERDICT_NONE;
        k->expires_us = 0;
        k->archived = false;
        buf_done(&k->result);
        k->result = (struct buf){ 0 };
        memory_owe_again(m, id);
    }
    memory_unlock(m);
    return fits ? GOT_ONE : GOT_NONE;
}

static enum got memory_cancel(struct store *s, const char *id, enum job_state *ret_state,
                              struct err *e)
{
    CLEANUP(ending_done) struct ending ending;
    ending_init_cancelled(&ending);

    struct memory *m = memory_lock(s);
    struct kept *k = map_get(&m->ids, id);
    enum got got = GOT_NONE;
    if (!k) {
        err_set(e, ERR_NOT_FOUND, "no submission %s", id);
        got = GOT_FAILED;
    } else if (k->head.state == STATE_QUEUED) {
        end(m, k, &ending);
        got = GOT_ONE;
    } else if (k->head.state == STATE_RUNNING) {
        k->head.cancel_asked = true;
    }
    if (k)
        *ret_state = k->head.state;
    memory_unlock(m);
    return got;
}

static bool memory_remove(struct store *s, const char *id, struct err *e)
{
    struct memory *m = memory_lock(s);
    struct kept *k = map_get(&m->ids, id);
    bool ok = k && state_final(k->head.state);
    if (!k)
        err_set(e, ERR_NOT_FOUND, "no submission %s", id);
    else if (!ok)
        err_set(e, ERR_CONFLICT, "submission %s is %s", id, state_name(k->head.state));
    if (!k || ok) {
        forget_keys(m, id, 0);
        memory_forget_deliveries(m, id);
    }
    if (ok)
        delete (m, k);
    memory_unlock(m);
    return ok;
}

static bool memory_archived(struct store *s, const char *id, int64_t finished_us, int64_t drop_us,
                            UNUSED struct err *e)
{
    struct memory *m = memory_lock(s);
    struct kept *k = map_get(&m->ids, id);
    if (k && state_final(k->head.state) && k->head.finished_us == finished_us) {
        k->archived = true;
        k->expires_us = k->expires_us ? MIN(k->expires_us, drop_us) : drop_us;
    }
    memory_unlock(m);
    return true;
}

static bool memory_sweep(struct store *s, int64_t now_us, int batch, int64_t *ret,
                         UNUSED struct err *e)
{
    int64_t swept = 0;
    struct memory *m = memory_lock(s);
    for (struct kept *k = m->oldest, *newer; k && swept < batch; k = newer) {
        newer = k->newer;
        if (!k->expires_us || k->expires_us > now_us)
            continue;
        if (!k->archived) {
            forget_keys(m, k->head.id, 0);
            memory_forget_deliveries(m, k->head.id);
        }
        delete (m, k);
        swept++;
    }
    forget_keys(m, NULL, now_us);
    memory_sweep_deliveries(m, now_us);
    memory_unlock(m);
    *ret = swept;
    return true;
}

/* ---- reading ---- */

static bool fill(const struct kept *k, unsigned parts, struct record *ret, struct err *e)
{
    CLEANUP(record_done) struct record r = k->head;
    if ((parts & RECORD_JOB) && !record_read_job(&r, buf_str(&k->job), e))
        return false;
    if ((parts & RECORD_RESULT) && k->result.len && !record_read_result(&r, buf_str(&k->result), e))
        return false;
    *ret = r;
    r.job = NULL;
    r.result = NULL;
    return true;
}

static enum got memory_load(struct store *s, const char *id, unsigned parts, struct record *ret,
                            struct err *e)
{
    struct memory *m = memory_lock(s);
    const struct kept *k = map_get(&m->ids, id);
    enum got got = !k ? GOT_NONE : fill(k, parts, ret, e) ? GOT_ONE : GOT_FAILED;
    memory_unlock(m);
    return got;
}

static bool matches(const struct kept *k, const struct store_filter *f)
{
    if (f->language && (!k->language || strcmp(k->language, f->language) != 0))
        return false;
    if (f->verdict && k->verdict != f->verdict)
        return false;
    if (f->has_state && k->head.state != f->state)
        return false;
    if (f->since_us && k->head.created_us < f->since_us)
        return false;
    if (f->until_us && k->head.created_us >= f->until_us)
        return false;
    if (f->unarchived && k->archived)
        return false;
    return !f->metadata_key || record_metadata_is(k->metadata, f->metadata_key, f->metadata_value);
}

static bool memory_list(struct store *s, const struct store_filter *f, unsigned parts,
                        void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                        int64_t *ret_total, struct err *e)
{
    struct memory *m = memory_lock(s);
    int64_t total = 0, skipped = 0, given = 0;
    bool ok = true;
    for (const struct kept *k = m->newest; k && ok; k = k->older) {
        if (given == f->limit && !ret_total)
            break;
        if (!matches(k, f))
            continue;
        total++;
        if (given == f->limit || (f->before_seq && k->head.seq >= f->before_seq) ||
            skipped++ < f->offset)
            continue;

        CLEANUP(record_done) struct record r = { 0 };
        ok = fill(k, parts, &r, e);
        if (ok)
            fn(arg, &r, k->head.seq);
        given++;
    }
    memory_unlock(m);
    if (ok && ret_total)
        *ret_total = total;
    return ok;
}

static bool memory_unfinished(struct store *s, void (*fn)(void *arg, const struct unfinished *x),
                              void *arg, UNUSED struct err *e)
{
    struct memory *m = memory_lock(s);
    int64_t now = wall_us();
    for (const struct kept *k = m->oldest; k; k = k->newer)
        if (!state_final(k->head.state))
            fn(arg, &(struct unfinished){ .id = k->head.id,
                                          .priority = k->priority,
                                          .tenant = k->tenant ? k->tenant : "",
                                          .delay_us = MAX(0, k->start_us - now) });
    memory_unlock(m);
    return true;
}

static int by_finish(const void *a, const void *b)
{
    const struct kept *x = *(const struct kept *const *)a, *y = *(const struct kept *const *)b;
    return (x->head.finished_us > y->head.finished_us) -
           (x->head.finished_us < y->head.finished_us);
}

static bool memory_unarchived(struct store *s, int max, void (*fn)(void *arg, struct record *r),
                              void *arg, struct err *e)
{
    struct memory *m = memory_lock(s);
    const struct kept **fresh = calloc(m->ids.count + 1, sizeof *fresh);
    CHECK(fresh);
    size_t count = 0;
    for (const struct kept *k = m->oldest; k; k = k->newer)
        if (state_final(k->head.state) && !k->archived && !k->forget)
            fresh[count++] = k;
    qsort(fresh, count, sizeof(const struct kept *), by_finish);

    bool ok = true;
    for (size_t i = 0; ok && i < count && i < (size_t)max; i++) {
        CLEANUP(record_done) struct record r = { 0 };
        ok = fill(fresh[i], RECORD_JOB | RECORD_RESULT, &r, e);
        if (ok)
            fn(arg, &r);
    }
    memory_unlock(m);
    free(fresh);
    return ok;
}

static void memory_close(struct store *s)
{
    struct memory *m = (struct memory *)s;
    for (struct kept *k = m->oldest, *newer; k; k = newer) {
        newer = k->newer;
        kept_free(k);
    }
    size_t at = 0;
    for (struct kept_key *x; (x = map_next(&m->keys, &at));)
        key_free(x);
    memory_close_deliveries(m);
    map_done(&m->ids);
    map_done(&m->keys);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct store_ops ops = {
    .scheme = "memory",
    .deliveries = &memory_deliveries,
    .admit = memory_admit,
    .sync = memory_sync,
    .start = memory_start,
    .finish = memory_finish,
    .amend = memory_amend,
    .reopen = memory_reopen,
    .load = memory_load,
    .cancel = memory_cancel,
    .remove = memory_remove,
    .list = memory_list,
    .unfinished = memory_unfinished,
    .sweep = memory_sweep,
    .unarchived = memory_unarchived,
    .archived = memory_archived,
    .close = memory_close,
};

struct store *store_memory_open(const struct store_config *config)
{
    struct memory *m = calloc(1, sizeof *m);
    CHECK(m);
    m->store.ops = &ops;
    m->config = *config;
    pthread_mutex_init(&m->lock, NULL);
    return &m->store;
}
