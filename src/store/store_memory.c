/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything in one map under one lock, in the stored form, so that what comes out is a copy and
 * passes through the same reader and writer as in the other backends.
 */
#include <inttypes.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/map.h"
#include "store/record.h"

struct kept {
    struct record head; /* job and result stay NULL */
    int64_t seq;
    int64_t retention_us, expires_us;
    int priority;
    enum verdict verdict;
    char *key, *language, *metadata; /* NULL */
    struct buf job, result;
    struct kept *older, *newer;
};

struct memory {
    struct store store; /* first: what callers hold */
    struct store_config config;

    pthread_mutex_t lock; /* guards what follows */
    struct map ids, keys; /* -> struct kept */
    struct kept *newest, *oldest;
    int64_t last_seq;
};

static struct memory *lock(struct store *s)
{
    struct memory *m = (struct memory *)s;
    pthread_mutex_lock(&m->lock);
    return m;
}

static void unlock(struct memory *m)
{
    pthread_mutex_unlock(&m->lock);
}

static char *copy(const char *text)
{
    char *made = text ? strdup(text) : NULL;
    CHECK(made || !text);
    return made;
}

static void kept_free(struct kept *k)
{
    free(k->key);
    free(k->language);
    free(k->metadata);
    buf_done(&k->job);
    buf_done(&k->result);
    free(k);
}

/* ---- in and out of the map ---- */

static void insert(struct memory *m, struct kept *k)
{
    k->seq = ++m->last_seq;
    k->older = m->newest;
    if (k->older)
        k->older->newer = k;
    else
        m->oldest = k;
    m->newest = k;
    map_put(&m->ids, k->head.id, k);
    if (k->key)
        map_put(&m->keys, k->key, k);
}

static void delete (struct memory *m, struct kept *k)
{
    *(k->older ? &k->older->newer : &m->oldest) = k->newer;
    *(k->newer ? &k->newer->older : &m->newest) = k->older;
    map_take(&m->ids, k->head.id);
    if (k->key)
        map_take(&m->keys, k->key);
    kept_free(k);
}

static enum got memory_admit(struct store *s, const struct job *job, const char *key, char *ret_id,
                             struct err *e)
{
    struct kept *k = calloc(1, sizeof *k);
    CHECK(k);
    memcpy(k->head.id, job->id, sizeof k->head.id);
    k->head.created_us = job->created_us;
    k->retention_us = job->retention_us;
    k->priority = (int)job->priority;
    k->key = copy(key);
    k->language = copy(job->language);
    k->metadata = copy(job->metadata);
    job_to_json(job, &k->job);

    struct memory *m = lock(s);
    const struct kept *earlier = key ? map_get(&m->keys, key) : NULL;
    enum got got = GOT_ONE;
    if (earlier)
        got = GOT_NONE;
    else if (map_get(&m->ids, job->id)) {
        err_set(e, ERR_CONFLICT, "submission %s exists already", job->id);
        got = GOT_FAILED;
    } else {
        insert(m, k);
    }
    if (got != GOT_FAILED)
        memcpy(ret_id, earlier ? earlier->head.id : job->id, TOKEN_TEXT);
    unlock(m);
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
    struct memory *m = lock(s);
    struct kept *k = map_get(&m->ids, id);
    if (k && !state_final(k->head.state)) {
        k->head.state = STATE_RUNNING;
        k->head.attempts = attempt;
        k->head.started_us = started_us;
    }
    unlock(m);
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
    k->result = ending->json;
    ending->json = (struct buf){ 0 };
}

static void memory_finish(struct store *s, const char *id, const struct result *result,
                          store_done_fn done, void *arg)
{
    static const struct err none;
    CLEANUP(ending_done) struct ending ending;
    ending_init(&ending, result);

    struct memory *m = lock(s);
    struct kept *k = map_get(&m->ids, id);
    bool won = k && !state_final(k->head.state);
    if (won)
        end(m, k, &ending);
    unlock(m);
    done(arg, won ? GOT_ONE : GOT_NONE, &none);
}

static enum got memory_cancel(struct store *s, const char *id, enum job_state *ret_state,
                              struct err *e)
{
    CLEANUP(ending_done) struct ending ending;
    ending_init_cancelled(&ending);

    struct memory *m = lock(s);
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
    unlock(m);
    return got;
}

static bool memory_remove(struct store *s, const char *id, struct err *e)
{
    struct memory *m = lock(s);
    struct kept *k = map_get(&m->ids, id);
    bool ok = k && state_final(k->head.state);
    if (!k)
        err_set(e, ERR_NOT_FOUND, "no submission %s", id);
    else if (!ok)
        err_set(e, ERR_CONFLICT, "submission %s is %s", id, state_name(k->head.state));
    else
        delete (m, k);
    unlock(m);
    return ok;
}

static bool memory_sweep(struct store *s, int64_t now_us, int batch, int64_t *ret,
                         UNUSED struct err *e)
{
    int64_t swept = 0;
    struct memory *m = lock(s);
    for (struct kept *k = m->oldest, *newer; k && swept < batch; k = newer) {
        newer = k->newer;
        if (k->expires_us && k->expires_us <= now_us) {
            delete (m, k);
            swept++;
        }
    }
    unlock(m);
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
    struct memory *m = lock(s);
    const struct kept *k = map_get(&m->ids, id);
    enum got got = !k ? GOT_NONE : fill(k, parts, ret, e) ? GOT_ONE : GOT_FAILED;
    unlock(m);
    return got;
}

/* A text equals itself, a number or a boolean its JSON text; nothing else can be asked for. */
static bool metadata_is(const char *metadata, const char *key, const char *value)
{
    struct err ignored;
    CLEANUP(json_free) struct json *root = metadata ? json_parse(str_of(metadata), &ignored) : NULL;
    const struct json *node = root ? json_get(root, key) : NULL;
    if (!node || json_kind(node) == JSON_NULL || json_kind(node) >= JSON_ARRAY)
        return false;
    if (json_kind(node) == JSON_TEXT)
        return str_is(json_as_str(node), value);
    CLEANUP(buf_done) struct buf text = { 0 };
    json_dump(node, &text);
    return str_is(buf_str(&text), value);
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
    return !f->metadata_key || metadata_is(k->metadata, f->metadata_key, f->metadata_value);
}

static bool memory_list(struct store *s, const struct store_filter *f, unsigned parts,
                        void (*fn)(void *arg, struct record *r, int64_t seq), void *arg,
                        int64_t *ret_total, struct err *e)
{
    struct memory *m = lock(s);
    int64_t total = 0, skipped = 0, given = 0;
    bool ok = true;
    for (const struct kept *k = m->newest; k && ok; k = k->older) {
        if (given == f->limit && !ret_total)
            break;
        if (!matches(k, f))
            continue;
        total++;
        if (given == f->limit || (f->before_seq && k->seq >= f->before_seq) ||
            skipped++ < f->offset)
            continue;

        CLEANUP(record_done) struct record r = { 0 };
        ok = fill(k, parts, &r, e);
        if (ok)
            fn(arg, &r, k->seq);
        given++;
    }
    unlock(m);
    if (ok && ret_total)
        *ret_total = total;
    return ok;
}

static bool memory_unfinished(struct store *s, void (*fn)(void *arg, const char *id, int priority),
                              void *arg, UNUSED struct err *e)
{
    struct memory *m = lock(s);
    for (const struct kept *k = m->oldest; k; k = k->newer)
        if (!state_final(k->head.state))
            fn(arg, k->head.id, k->priority);
    unlock(m);
    return true;
}

static void memory_close(struct store *s)
{
    struct memory *m = (struct memory *)s;
    for (struct kept *k = m->oldest, *newer; k; k = newer) {
        newer = k->newer;
        kept_free(k);
    }
    map_done(&m->ids);
    map_done(&m->keys);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct store_ops ops = {
    .scheme = "memory",
    .admit = memory_admit,
    .sync = memory_sync,
    .start = memory_start,
    .finish = memory_finish,
    .load = memory_load,
    .cancel = memory_cancel,
    .remove = memory_remove,
    .list = memory_list,
    .unfinished = memory_unfinished,
    .sweep = memory_sweep,
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
