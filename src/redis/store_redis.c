/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of a cluster. A record is a small hash and two packed texts; what changes it are
 * scripts (store.lua tells the keys), each of which also does what follows from the change: an
 * admission puts the id in line, an end takes it out and makes deliveries due. So a job costs two
 * writes beside the queue's own, and no crash can come between a result and its consequences.
 *
 * An admission does not wait: it is sent, and sync() waits for the answers to all that this thread
 * has sent. They share one connection and arrive in order, so what was admitted can be loaded
 * before its answer is here. A key is different: whether it is new must be known at once.
 *
 * Answers may be lost with a connection though the server did what was asked. A finish sent again
 * is told that it has won, as the first time; an admission nobody heard of is a job nobody asks
 * for.
 *
 * Nothing has a time to live of Redis's: one process's sweep() drops what has expired, in one
 * script with its index entries, so lists and totals never show what is gone.
 */
#include "redis/store_redis.h"

#include "base/clock.h"
#include "redis/cluster.h"

enum { SWEEP_STEP = 100, REASON_MOST = 240 };

/* Without a history and without a retention: long enough to fetch a result, not for ever. */
#define KEEP_US (INT64_C(24) * 3600 * US_PER_S)

/* ---- what a thread has sent and not heard of ---- */

struct sender {
    pthread_mutex_t lock;
    pthread_cond_t heard;
    int refs; /* its thread, and everything under way */
    int under_way;
    struct err err; /* the first failure since the last sync(); kind ERR_NONE: none */
};

static void sender_unref(void *arg)
{
    struct sender *x = arg;
    pthread_mutex_lock(&x->lock);
    bool last = --x->refs == 0;
    pthread_mutex_unlock(&x->lock);
    if (!last)
        return;
    pthread_cond_destroy(&x->heard);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

static struct sender *sender_of(struct store_redis *s)
{
    struct sender *x = pthread_getspecific(s->sender);
    if (x)
        return x;
    x = calloc(1, sizeof *x);
    CHECK(x);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->heard, NULL);
    x->refs = 1;
    CHECK(pthread_setspecific(s->sender, x) == 0);
    return x;
}

static void sender_begin(struct sender *x)
{
    pthread_mutex_lock(&x->lock);
    x->refs++;
    x->under_way++;
    pthread_mutex_unlock(&x->lock);
}

static void sender_end(struct sender *x, const struct err *e)
{
    pthread_mutex_lock(&x->lock);
    if (e && x->err.kind == ERR_NONE)
        x->err = *e;
    if (--x->under_way == 0)
        pthread_cond_broadcast(&x->heard);
    pthread_mutex_unlock(&x->lock);
    sender_unref(x);
}

static bool redis_store_sync(struct store *store, struct err *e)
{
    struct sender *x = sender_of((struct store_redis *)store);
    pthread_mutex_lock(&x->lock);
    while (x->under_way)
        pthread_cond_wait(&x->heard, &x->lock);
    struct err err = x->err;
    x->err = (struct err){ 0 };
    pthread_mutex_unlock(&x->lock);
    if (err.kind == ERR_NONE)
        return true;
    *e = err;
    return false;
}

/* ---- admit ---- */

/* The head's member, unless it is what a missing one means. */
static void head_int(struct ask *a, const char *name, int64_t value)
{
    if (!value)
        return;
    ask_text(a, name);
    ask_int(a, value);
}

static void head_text(struct ask *a, const char *name, const char *value)
{
    if (!value || !value[0])
        return;
    ask_text(a, name);
    ask_text(a, value);
}

static int64_t keep_of(const struct store_redis *s, const struct job *job)
{
    int64_t own_us = job_retention(job);
    if (own_us > 0)
        return own_us;
    if (s->config.retention_us > 0)
        return s->config.retention_us;
    return s->config.has_history ? 0 : KEEP_US;
}

static void ask_admit(struct ask *a, const struct store_redis *s, const struct job *job,
                      struct str body, const char *key, const char *fingerprint)
{
    ask_init(a, s, &script_store_admit);
    ask_text(a, ""); /* the server's clock */
    ask_text(a, job->id);
    ask_str(a, body);
    ask_text(a, key);
    ask_text(a, fingerprint);
    ask_int(a, job->start_us ? MAX(0, job->start_us - wall_us()) : 0);
    ask_text(a, job->webhook_url);
    ask_text(a, job->callback_url);
    ask_text(a, "c");
    ask_int(a, job->created_us);
    head_int(a, "p", (int)job->priority);
    head_text(a, "t", job->tenant);
    head_text(a, "l", job->language);
    head_int(a, "k", keep_of(s, job));
    head_int(a, "h", s->config.has_history && !job->forget);
    head_int(a, "d", job->start_us);
}

/* What the script answered. ret_id: set on GOT_NONE. */
static enum got admitted(const struct redis_reply *reply, const char *id, char *ret_id,
                         struct err *e)
{
    switch (redis_int(redis_at(reply, 0))) {
    case 1:
        return GOT_ONE;
    case 0:
        reply_text(redis_at(reply, 1), ret_id, TOKEN_TEXT);
        return GOT_NONE;
    case -1:
        key_conflict(e);
        return GOT_FAILED;
    default:
        err_set(e, ERR_CONFLICT, "submission %s exists already", id);
        return GOT_FAILED;
    }
}

/* An admission on its way. */
struct admission {
    struct sender *sender;
    char id[TOKEN_TEXT];
};

static void admission_done(void *arg, struct redis_reply *reply, const struct err *e)
{
    struct admission *a = arg;
    struct err why = { 0 };
    char ignored[TOKEN_TEXT];
    if (!reply) {
        why = *e;
        err_add(&why, "store");
    } else {
        admitted(reply, a->id, ignored, &why);
    }
    sender_end(a->sender, why.kind ? &why : NULL);
    redis_reply_free(reply);
    free(a);
}

static void admit_later(struct store_redis *s, const struct job *job, const struct ask *ask)
{
    struct admission *a = calloc(1, sizeof *a);
    CHECK(a);
    a->sender = sender_of(s);
    memcpy(a->id, job->id, sizeof a->id);
    sender_begin(a->sender);
    struct redis_call call = ask_call(ask);
    redis_send(s->redis, &call, true, admission_done, a);
}

static enum got redis_store_admit(struct store *store, const struct job *job, const char *key,
                                  char *ret_id, struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    CLEANUP(buf_done) struct buf text = { 0 };
    CLEANUP(buf_done) struct buf body = { 0 };
    job_to_json(job, &text);
    body_pack(s, buf_str(&text), &body);
    char fingerprint[HASH_TEXT] = "", earlier[TOKEN_TEXT];
    if (key)
        job_fingerprint(job, fingerprint);
    struct ask ask;
    ask_admit(&ask, s, job, buf_str(&body), key, fingerprint);
    if (!key) {
        admit_later(s, job, &ask);
        memcpy(ret_id, job->id, TOKEN_TEXT);
        return GOT_ONE;
    }

    CLEANUP(redis_reply_free) struct redis_reply *reply = ask_kept(s, &ask, e);
    enum got got = reply ? admitted(reply, job->id, earlier, e) : GOT_FAILED;
    if (got != GOT_FAILED)
        memcpy(ret_id, got == GOT_ONE ? job->id : earlier, TOKEN_TEXT);
    return got;
}

/* ---- start ---- */

static void ignore(UNUSED void *arg, struct redis_reply *reply, UNUSED const struct err *e)
{
    redis_reply_free(reply);
}

static void redis_store_start(struct store *store, const char *id, int attempt, int64_t started_us)
{
    struct store_redis *s = (struct store_redis *)store;
    struct ask ask;
    ask_init(&ask, s, &script_store_start);
    ask_text(&ask, id);
    ask_int(&ask, attempt);
    ask_int(&ask, started_us);
    struct redis_call call = ask_call(&ask);
    redis_send(s->redis, &call, false, ignore, NULL);
}

/* ---- ends ---- */

struct finish {
    store_done_fn done;
    void *arg;
};

static void finish_done(void *arg, struct redis_reply *reply, const struct err *e)
{
    static const struct err none;
    struct finish *f = arg;
    struct err why = none;
    if (!reply) {
        why = *e;
        err_add(&why, "store");
    }
    f->done(f->arg, ask_got(reply), &why);
    free(f);
}

static void redis_store_finish(struct store *store, const char *id, UNUSED const char *receipt,
                               const struct result *result, store_done_fn done, void *arg)
{
    struct store_redis *s = (struct store_redis *)store;
    CLEANUP(ending_done) struct ending ending;
    CLEANUP(buf_done) struct buf body = { 0 };
    ending_init(&ending, result);
    body_pack(s, buf_str(&ending.json), &body);

    /* A dead letter tells why, so it must have a text. */
    char dead[REASON_MOST] = "";
    if (result->verdict == VERDICT_INTERNAL_ERROR)
        snprintf(dead, sizeof dead, "%s", result->message ? result->message : "internal error");
    struct ask ask;
    ask_init(&ask, s, &script_store_finish);
    ask_text(&ask, "");
    ask_text(&ask, id);
    ask_int(&ask, ending.state);
    ask_int(&ask, ending.verdict);
    ask_int(&ask, ending.attempt);
    ask_int(&ask, ending.started_us);
    ask_int(&ask, ending.finished_us);
    ask_str(&ask, buf_str(&body));
    ask_text(&ask, dead);

    struct finish *f = calloc(1, sizeof *f);
    CHECK(f);
    *f = (struct finish){ done, arg };
    struct redis_call call = ask_call(&ask);
    redis_send(s->redis, &call, true, finish_done, f);
}

static enum got redis_store_cancel(struct store *store, const char *id, enum job_state *ret_state,
                                   struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    CLEANUP(ending_done) struct ending ending;
    CLEANUP(buf_done) struct buf body = { 0 };
    ending_init_cancelled(&ending);
    body_pack(s, buf_str(&ending.json), &body);
    struct ask ask;
    ask_init(&ask, s, &script_store_cancel);
    ask_text(&ask, "");
    ask_text(&ask, id);
    ask_int(&ask, ending.verdict);
    ask_int(&ask, ending.finished_us);
    ask_str(&ask, buf_str(&body));

    CLEANUP(redis_reply_free) struct redis_reply *reply = ask_kept(s, &ask, e);
    if (!reply)
        return GOT_FAILED;
    if (redis_count(reply) == 0) {
        err_set(e, ERR_NOT_FOUND, "no submission %s", id);
        return GOT_FAILED;
    }
    *ret_state = (enum job_state)redis_int(redis_at(reply, 1));
    return redis_int(redis_at(reply, 0)) ? GOT_ONE : GOT_NONE;
}

static enum got redis_store_amend(struct store *store, const char *id, int64_t finished_us,
                                  const struct result *result, struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    CLEANUP(ending_done) struct ending ending;
    CLEANUP(buf_done) struct buf body = { 0 };
    ending_init(&ending, result);
    body_pack(s, buf_str(&ending.json), &body);
    struct ask ask;
    ask_init(&ask, s, &script_store_amend);
    ask_text(&ask, id);
    ask_int(&ask, finished_us);
    ask_int(&ask, record_amended(finished_us, ending.finished_us));
    ask_str(&ask, buf_str(&body));
    return ask_got(ask_kept(s, &ask, e));
}

static enum got redis_store_reopen(struct store *store, const char *id, struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    struct ask ask;
    ask_init(&ask, s, &script_store_reopen);
    ask_text(&ask, "");
    ask_text(&ask, id);
    ask_int(&ask, VERDICT_INTERNAL_ERROR);
    return ask_got(ask_kept(s, &ask, e));
}

/* ---- removing ---- */

static bool redis_store_remove(struct store *store, const char *id, struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    struct ask ask;
    ask_init(&ask, s, &script_store_remove);
    ask_text(&ask, id);
    CLEANUP(redis_reply_free) struct redis_reply *reply = ask_kept(s, &ask, e);
    if (!reply)
        return false;
    if (redis_text(reply).len == 0)
        return err_set(e, ERR_NOT_FOUND, "no submission %s", id);
    enum job_state state = (enum job_state)redis_int(reply);
    if (!state_final(state))
        return err_set(e, ERR_CONFLICT, "submission %s is %s", id, state_name(state));
    return true;
}

/* In steps: a script holds up everybody else. */
static bool redis_store_sweep(struct store *store, int64_t now_us, int batch, int64_t *ret,
                              struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    int64_t swept = 0, got = SWEEP_STEP;
    while (swept < batch && got == SWEEP_STEP) {
        struct ask ask;
        ask_init(&ask, s, &script_store_sweep);
        ask_int(&ask, now_us);
        ask_int(&ask, MIN(SWEEP_STEP, batch - swept));
        CLEANUP(redis_reply_free) struct redis_reply *reply = ask_now(s, &ask, e);
        if (!reply)
            return false;
        got = redis_int(reply);
        swept += got;
    }
    *ret = swept;
    return true;
}

/* Nobody waits: unarchived() comes after it on the same connection, and what was lost with one is
 * archived once more. */
static bool redis_store_archived(struct store *store, const char *id, int64_t finished_us,
                                 int64_t drop_us, UNUSED struct err *e)
{
    struct store_redis *s = (struct store_redis *)store;
    struct ask ask;
    ask_init(&ask, s, &script_store_archived);
    ask_text(&ask, id);
    ask_int(&ask, finished_us);
    ask_int(&ask, drop_us);
    struct redis_call call = ask_call(&ask);
    redis_send(s->redis, &call, false, ignore, NULL);
    return true;
}

/* ---- health ---- */

static void redis_store_health(struct store *store, char *detail, size_t detail_size, char *fix,
                               size_t fix_size)
{
    struct redis_state state;
    if (!redis_state(((struct store_redis *)store)->redis, &state, &(struct err){ 0 })) {
        snprintf(detail, detail_size, "Redis does not answer: %s", state.trouble);
        snprintf(fix, fix_size, "look at the Redis server and EVALX_REDIS_URL");
    } else if (!state.append_only) {
        snprintf(detail, detail_size, "Redis keeps no append-only file: its restart loses jobs");
        snprintf(fix, fix_size, "set appendonly yes in redis.conf");
    } else if (state.policy[0] && strcmp(state.policy, "noeviction") != 0) {
        snprintf(detail, detail_size, "Redis may evict jobs when its memory is full (%s)",
                 state.policy);
        snprintf(fix, fix_size, "set maxmemory-policy noeviction in redis.conf");
    } else if (state.memory_max_bytes > 0 && state.memory_bytes > state.memory_max_bytes / 10 * 9) {
        snprintf(detail, detail_size, "Redis has used %" PRId64 " of %" PRId64 " MiB",
                 state.memory_bytes >> 20, state.memory_max_bytes >> 20);
        snprintf(fix, fix_size, "raise maxmemory, or let records live shorter");
    }
}

/* ---- opening ---- */

static void redis_store_close(struct store *store)
{
    struct store_redis *s = (struct store_redis *)store;
    struct err ignored; /* told to whoever called sync() */
    if (!redis_store_sync(store, &ignored))
        ignored.kind = ERR_NONE;
    sender_unref(pthread_getspecific(s->sender));
    pthread_key_delete(s->sender);
    zip_free(s->zip);
    free(s);
}

static const struct store_ops ops = {
    .scheme = "redis",
    .is_queue = true,
    .deliveries = &redis_deliveries,
    .admit = redis_store_admit,
    .sync = redis_store_sync,
    .start = redis_store_start,
    .finish = redis_store_finish,
    .amend = redis_store_amend,
    .reopen = redis_store_reopen,
    .load = redis_store_load,
    .cancel = redis_store_cancel,
    .remove = redis_store_remove,
    .list = redis_store_list,
    .unfinished = redis_store_unfinished,
    .sweep = redis_store_sweep,
    .unarchived = redis_store_unarchived,
    .archived = redis_store_archived,
    .health = redis_store_health,
    .close = redis_store_close,
};

struct store *store_redis_open(struct redis *r, const char *prefix,
                               const struct store_config *config, struct err *e)
{
    struct store_redis *s = calloc(1, sizeof *s);
    CHECK(s);
    s->store.ops = &ops;
    s->config = *config;
    s->redis = r;
    key_name(s->queue_key, prefix, "queue");
    key_name(s->key, prefix, "sub");
    int sys = pthread_key_create(&s->sender, sender_unref);
    if (sys) {
        free(s);
        err_sysno(e, sys, "open the store");
        return NULL;
    }
    s->zip = body_zip();
    return &s->store;
}
