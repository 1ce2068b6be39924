/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of a cluster. What happens to an id is decided in Redis, by scripts (queue.lua tells
 * the places and moves), so that a process that dies, or whose answer is lost, leaves every id in
 * exactly one place. This file asks and waits.
 *
 * A pull first runs a script that leases what is next, by weights and turns. When nothing is there,
 * it waits in XREADGROUP on the streams themselves: a push makes its entry the head of its stream,
 * and the server hands it to the one that has waited longest, in the same moment and without
 * another question. The script queue_took then tells Redis that the lease began; it needs no
 * answer. A process that dies in between has left an entry that is delivered but not leased, which
 * queue_tend finds. A fourth stream carries "look again", for delayed ids: see queue_pull.lua.
 *
 * A lease is the entry's id in its stream: the receipt. Whoever gets the id next gets a new entry,
 * so an old receipt fits nothing any more. An attempt is counted when its lease ends, whoever ends
 * it, and a ticket says one more: nothing has to be written for an attempt to count.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "drivers/redis.h"
#include "redis/cluster.h"
#include "redis/keyspace.h"
#include "redis/scripts.h"

enum { STREAMS = QUEUE_PRIORITIES + 1, WAKE = QUEUE_PRIORITIES, GROUP_RETRIES = 3, WORDS_MAX = 24 };

/* What one waiting thread needs; they are kept for the next pull. */
struct puller {
    struct redis_line *line;
    char name[WORKER_TEXT + 16]; /* worker's name and a number: who the timer is */
    struct puller *next;         /* among all of this queue */
    int64_t number;              /* of its next pull */
    bool busy;
    bool doubtful; /* the answer to the last one was lost: that is asked for again */
};

struct queue_redis {
    struct queue queue; /* first: what callers hold */
    struct queue_config config;
    struct redis *redis;
    char key[KEY_TEXT];              /* the queue's own key, all others begin with it */
    char streams[STREAMS][KEY_TEXT]; /* by priority; the last is the one to wake by */
    char worker[WORKER_TEXT];        /* host:pid:random */

    pthread_mutex_t lock; /* guards what follows */
    struct puller *pullers;
    int puller_count;
    bool woken;
};

/* ---- asking ---- */

static struct str number(char out[24], int64_t value)
{
    return (struct str){ out, (size_t)snprintf(out, 24, "%" PRId64, value) };
}
#define NUMBER(value) number((char[24]){ 0 }, (value))

/* The clock's time for a script; empty: the server's. */
static struct str now_of(const struct queue_redis *q, char out[24])
{
    return q->config.now_us ? number(out, q->config.now_us()) : STR("");
}

/* Script, the queue's key, the time, and what else it takes. words: WORDS_MAX of them. */
static struct redis_call call_of(struct queue_redis *q, struct redis_script *script,
                                 struct str *words, char now[24], const struct str *args,
                                 size_t count)
{
    CHECK(count + 2 <= WORDS_MAX);
    words[0] = str_of(q->key);
    words[1] = now_of(q, now);
    if (count)
        memcpy(words + 2, args, count * sizeof *args);
    return (struct redis_call){ script, words, count + 2, 1 };
}

static struct redis_reply *run(struct queue_redis *q, struct redis_script *script,
                               const struct str *args, size_t count, struct err *e)
{
    struct str words[WORDS_MAX];
    char now[24];
    struct redis_call call = call_of(q, script, words, now, args, count);
    struct redis_reply *reply = redis_ask(q->redis, &call, e);
    if (!reply)
        err_add(e, "queue");
    return reply;
}
#define RUN(q, script, e, ...)                                                                     \
    run((q), (script), (const struct str[]){ __VA_ARGS__ },                                        \
        COUNT_OF(((const struct str[]){ __VA_ARGS__ })), (e))

static bool run_ok(struct redis_reply *reply)
{
    redis_reply_free(reply);
    return reply != NULL;
}

/* A script that answers 1 or 0. */
static enum got run_got(struct redis_reply *reply)
{
    enum got got = !reply ? GOT_FAILED : redis_int(reply) ? GOT_ONE : GOT_NONE;
    redis_reply_free(reply);
    return got;
}

static void text_out(const struct redis_reply *reply, char *out, size_t size)
{
    struct str text = redis_text(reply);
    size_t len = MIN(text.len, size - 1);
    if (len)
        memcpy(out, text.ptr, len);
    out[len] = '\0';
}

/* ---- pushing ---- */

static bool redis_queue_push(struct queue *queue, const struct queue_entry *x, struct err *e)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    CHECK(x->priority >= 0 && x->priority < QUEUE_PRIORITIES && strlen(x->id) < TOKEN_TEXT);
    const struct str args[] = { str_of(x->id), NUMBER(x->priority),
                                str_of(x->tenant ? x->tenant : ""), NUMBER(x->delay_us) };
    struct str words[WORDS_MAX];
    char now[24];
    struct redis_call call = call_of(q, &script_queue_push, words, now, args, COUNT_OF(args));
    return run_ok(redis_ask_kept(q->redis, &call, e)) || err_add(e, "queue");
}

/* ---- pulling ---- */

static bool is_woken(struct queue_redis *q)
{
    pthread_mutex_lock(&q->lock);
    bool woken = q->woken;
    pthread_mutex_unlock(&q->lock);
    return woken;
}

static struct puller *puller_get(struct queue_redis *q)
{
    pthread_mutex_lock(&q->lock);
    struct puller *p = NULL;
    for (struct puller *x = q->pullers; x; x = x->next)
        if (!x->busy && (!p || x->doubtful))
            p = x;
    if (!p) {
        p = calloc(1, sizeof *p);
        CHECK(p);
        p->line = redis_line_new(q->redis);
        snprintf(p->name, sizeof p->name, "%s/%d", q->worker, ++q->puller_count);
        p->next = q->pullers;
        q->pullers = p;
    }
    p->busy = true;
    pthread_mutex_unlock(&q->lock);
    return p;
}

static void puller_put(struct queue_redis *q, struct puller *p)
{
    pthread_mutex_lock(&q->lock);
    p->busy = false;
    pthread_mutex_unlock(&q->lock);
}

/* One pull, on its way. */
struct pull {
    struct queue_redis *q;
    struct puller *puller;
    struct ticket *tickets;
    int max, count;
    int64_t deadline_us; /* real time; 0: does not wait */
    int64_t next_us;     /* look again after that long; -1: no need */
    char wake[32];       /* the entry that woke us, to be removed; or "" */
};

static void ticket_fill(struct ticket *t, const struct redis_reply *id, int64_t attempt,
                        int priority, int64_t pushed_us, const struct redis_reply *entry)
{
    *t = (struct ticket){ .attempt = (int)attempt, .priority = priority, .pushed_us = pushed_us };
    text_out(id, t->id, sizeof t->id);
    text_out(entry, t->receipt, sizeof t->receipt);
}

/* Lease what is ready. */
static bool pull_ready(struct pull *x, struct err *e)
{
    struct queue_redis *q = x->q;
    CLEANUP(redis_reply_free)
    struct redis_reply *reply =
        RUN(q, &script_queue_pull, e, NUMBER(q->config.lease_us), str_of(q->worker),
            str_of(x->puller->name), NUMBER(x->puller->number), NUMBER(x->max), str_of(x->wake),
            NUMBER(x->puller->doubtful));
    x->puller->doubtful = !reply;
    if (!reply)
        return false;
    x->puller->number++;
    x->wake[0] = '\0';
    x->next_us = redis_int(redis_at(reply, 0));
    for (size_t i = 1; i + 5 <= redis_count(reply) && x->count < x->max; i += 5)
        ticket_fill(&x->tickets[x->count++], redis_at(reply, i), redis_int(redis_at(reply, i + 1)),
                    (int)redis_int(redis_at(reply, i + 2)), redis_int(redis_at(reply, i + 3)),
                    redis_at(reply, i + 4));
    return true;
}

static int stream_of(const struct queue_redis *q, struct str key)
{
    for (int i = 0; i < STREAMS; i++)
        if (str_is(key, q->streams[i]))
            return i;
    return -1;
}

static void forget(UNUSED void *arg, struct redis_reply *reply, UNUSED const struct err *e)
{
    redis_reply_free(reply);
}

/* The entries of one stream, [[entry, [i, id, a, attempt, u, pushed]]]. More than max may come only
 * when several streams got something between two questions. */
static int read_entries(struct pull *x, int stream, const struct redis_reply *list,
                        struct ticket *ret)
{
    int count = 0;
    for (size_t i = 0; i < redis_count(list) && count < QUEUE_PRIORITIES; i++) {
        const struct redis_reply *entry = redis_at(list, i), *fields = redis_at(entry, 1);
        if (stream == WAKE)
            text_out(redis_at(entry, 0), x->wake, sizeof x->wake);
        else if (redis_count(fields) >= 6)
            ticket_fill(&ret[count++], redis_at(fields, 1), redis_int(redis_at(fields, 3)), stream,
                        redis_int(redis_at(fields, 5)), redis_at(entry, 0));
    }
    return count;
}

/* Tell Redis that the leases began. Sent before whatever else this process says about them. */
static void tell_took(struct pull *x, const struct ticket *t, int count)
{
    struct queue_redis *q = x->q;
    struct str args[3 + 3 * QUEUE_PRIORITIES] = { NUMBER(q->config.lease_us), str_of(q->worker),
                                                  str_of(x->puller->name) };
    char priorities[QUEUE_PRIORITIES][24];
    for (int i = 0; i < count; i++) {
        args[3 + 3 * i] = number(priorities[i], t[i].priority);
        args[4 + 3 * i] = str_of(t[i].id);
        args[5 + 3 * i] = str_of(t[i].receipt);
    }
    struct str words[WORDS_MAX];
    char now[24];
    struct redis_call call =
        call_of(q, &script_queue_took, words, now, args, 3 + 3 * (size_t)count);
    redis_send(q->redis, &call, false, forget, NULL);
}

static bool redis_queue_give_back(struct queue *queue, const struct ticket *t, int64_t delay_us,
                                  bool attempt_counts, struct err *e);

static void take_delivered(struct pull *x, const struct redis_reply *reply)
{
    struct ticket tickets[QUEUE_PRIORITIES];
    int count = 0;
    for (size_t i = 0; i < redis_count(reply); i++) {
        const struct redis_reply *stream = redis_at(reply, i);
        int which = stream_of(x->q, redis_text(redis_at(stream, 0)));
        if (which >= 0 && count + (which != WAKE) <= QUEUE_PRIORITIES)
            count += read_entries(x, which, redis_at(stream, 1), tickets + count);
    }
    if (count == 0)
        return;

    tell_took(x, tickets, count);
    x->count = MIN(count, x->max);
    memcpy(x->tickets, tickets, (size_t)x->count * sizeof *tickets);
    for (int i = x->count; i < count; i++) {
        struct err ignored; /* its lease ends */
        if (!redis_queue_give_back(&x->q->queue, &tickets[i], 0, false, &ignored))
            continue;
    }
}

/* Wait on the streams. GOT_NONE: time to look again, or the deadline. */
static enum got pull_wait(struct pull *x, struct err *e)
{
    struct queue_redis *q = x->q;
    int64_t left = x->deadline_us - mono_us();
    if (x->next_us >= 0)
        left = MIN(left, x->next_us);
    int64_t ms = MAX(1, (left + US_PER_MS - 1) / US_PER_MS);

    const struct str words[] = {
        STR("XREADGROUP"),
        STR("GROUP"),
        STR("workers"),
        str_of(q->worker),
        STR("COUNT"),
        STR("1"),
        STR("BLOCK"),
        NUMBER(ms),
        STR("STREAMS"),
        str_of(q->streams[2]),
        str_of(q->streams[1]),
        str_of(q->streams[0]),
        str_of(q->streams[WAKE]),
        STR(">"),
        STR(">"),
        STR(">"),
        STR(">"),
    };
    struct redis_call call = { NULL, words, COUNT_OF(words), 0 };
    CLEANUP(redis_reply_free)
    struct redis_reply *reply = redis_line_ask(x->puller->line, &call, ms * US_PER_MS, e);
    if (!reply)
        return GOT_FAILED;
    take_delivered(x, reply);
    return x->count ? GOT_ONE : GOT_NONE;
}

/* A stream or its group was deleted by hand while we waited: the script makes them again. */
static bool is_lost_group(const struct err *e)
{
    return strstr(e->text, "NOGROUP") || strstr(e->text, "UNBLOCKED");
}

static enum got pull_loop(struct pull *x, struct err *e)
{
    for (int lost = 0; !is_woken(x->q);) {
        if (!pull_ready(x, e))
            return GOT_FAILED;
        if (x->count)
            return GOT_ONE;
        if (mono_us() >= x->deadline_us)
            return GOT_NONE;
        enum got got = pull_wait(x, e);
        if (got == GOT_ONE)
            return GOT_ONE;
        if (got == GOT_NONE)
            lost = 0;
        else if (e->sys == EINTR && is_woken(x->q))
            return GOT_NONE;
        else if (!is_lost_group(e) || ++lost > GROUP_RETRIES)
            return err_add(e, "queue") ? GOT_NONE : GOT_FAILED;
        if (got == GOT_NONE && !x->wake[0] && mono_us() >= x->deadline_us)
            return GOT_NONE;
    }
    return GOT_NONE;
}

static enum got redis_queue_pull(struct queue *queue, int64_t wait_us, struct ticket *ret, int max,
                                 int *ret_count, struct err *e)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    *ret_count = 0;
    struct puller *p = puller_get(q);
    struct pull x = { .q = q, .puller = p, .tickets = ret, .max = max, .next_us = -1 };
    if (wait_us > 0)
        x.deadline_us = mono_us() + MIN(wait_us, INT64_MAX / 2);
    enum got got = pull_loop(&x, e);
    puller_put(q, p);
    if (got == GOT_ONE)
        *ret_count = x.count;
    return got;
}

/* ---- leases ---- */

static bool lease_over(const struct ticket *t, enum got got, struct err *e)
{
    if (got == GOT_NONE)
        return err_set(e, ERR_NOT_FOUND, "the lease of %s ran out", t->id);
    return got == GOT_ONE;
}

static bool redis_queue_extend(struct queue *queue, const struct ticket *t, struct err *e)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    enum got got = run_got(RUN(q, &script_queue_extend, e, str_of(t->id), str_of(t->receipt),
                               NUMBER(q->config.lease_us), str_of(q->worker)));
    return lease_over(t, got, e);
}

static bool redis_queue_give_back(struct queue *queue, const struct ticket *t, int64_t delay_us,
                                  bool attempt_counts, struct err *e)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    enum got got = run_got(RUN(q, &script_queue_give_back, e, str_of(t->id), str_of(t->receipt),
                               NUMBER(MAX(delay_us, 0)), NUMBER(attempt_counts)));
    return lease_over(t, got, e);
}

static bool redis_queue_ack(struct queue *queue, const struct ticket *t, struct err *e)
{
    return run_ok(RUN((struct queue_redis *)queue, &script_queue_ack, e, str_of(t->id)));
}

static bool redis_queue_bury(struct queue *queue, const struct ticket *t, const char *reason,
                             struct err *e)
{
    char text[REASON_TEXT];
    snprintf(text, sizeof text, "%s", reason ? reason : "");
    return run_ok(
        RUN((struct queue_redis *)queue, &script_queue_bury, e, str_of(t->id), str_of(text)));
}

/* ---- the operator ---- */

static enum got redis_queue_drop(struct queue *queue, const char *id, struct err *e)
{
    return run_got(RUN((struct queue_redis *)queue, &script_queue_drop, e, str_of(id)));
}

static enum got redis_queue_retry(struct queue *queue, const char *id, struct err *e)
{
    return run_got(RUN((struct queue_redis *)queue, &script_queue_retry, e, str_of(id)));
}

static bool redis_queue_pause(struct queue *queue, bool paused, struct err *e)
{
    return run_ok(RUN((struct queue_redis *)queue, &script_queue_pause, e, NUMBER(paused)));
}

enum { VIEW_FIELDS = 9 };
static const char place_letters[] = {
    [PLACED_WAITING] = 'w', [PLACED_DELAYED] = 'd', [PLACED_LEASED] = 'l', [PLACED_DEAD] = 'x'
};

/* What is due is in the server's time, or in that of a test's clock: people get the wall's. */
static int64_t wall_of(const struct queue_redis *q, int64_t us)
{
    return us && q->config.now_us ? wall_us() + us - q->config.now_us() : us;
}

static struct queue_view view_of(const struct queue_redis *q, const struct redis_reply *reply,
                                 size_t at)
{
    struct queue_view v = { .priority = (int)redis_int(redis_at(reply, at + 2)),
                            .attempt = (int)redis_int(redis_at(reply, at + 3)),
                            .pushed_us = redis_int(redis_at(reply, at + 4)),
                            .due_us = redis_int(redis_at(reply, at + 5)) };
    struct str place = redis_text(redis_at(reply, at + 1));
    for (size_t i = 0; i < COUNT_OF(place_letters); i++)
        if (place.len == 1 && place.ptr[0] == place_letters[i])
            v.place = (enum queue_place)i;
    if (v.place == PLACED_DELAYED || v.place == PLACED_LEASED)
        v.due_us = wall_of(q, v.due_us);
    text_out(redis_at(reply, at), v.id, sizeof v.id);
    text_out(redis_at(reply, at + 6), v.tenant, sizeof v.tenant);
    text_out(redis_at(reply, at + 7), v.worker, sizeof v.worker);
    text_out(redis_at(reply, at + 8), v.reason, sizeof v.reason);
    return v;
}

static enum got redis_queue_look(struct queue *queue, const char *id, struct queue_view *ret,
                                 struct err *e)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    CLEANUP(redis_reply_free)
    struct redis_reply *reply = RUN(q, &script_queue_look, e, str_of(id));
    if (!reply)
        return GOT_FAILED;
    if (redis_count(reply) < VIEW_FIELDS)
        return GOT_NONE;
    *ret = view_of(q, reply, 0);
    return GOT_ONE;
}

static bool redis_queue_list(struct queue *queue, enum queue_place place, int64_t offset, int limit,
                             void (*fn)(void *arg, const struct queue_view *v), void *arg,
                             struct err *e)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    CLEANUP(redis_reply_free)
    struct redis_reply *reply =
        RUN(q, &script_queue_list, e, ((struct str){ &place_letters[place], 1 }),
            NUMBER(MAX(offset, 0)), NUMBER(MAX(0, MIN(limit, 1000))));
    if (!reply)
        return false;
    for (size_t i = 0; i + VIEW_FIELDS <= redis_count(reply); i += VIEW_FIELDS) {
        struct queue_view v = view_of(q, reply, i);
        if (v.place == place) /* else it has moved on */
            fn(arg, &v);
    }
    return true;
}

static bool redis_queue_announce(struct queue *queue, const struct queue_worker *w, struct err *e)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    return run_ok(RUN(q, &script_queue_announce, e, str_of(q->worker), NUMBER(w->slots),
                      NUMBER(w->running), NUMBER(w->started_us),
                      str_of(w->languages ? w->languages : "[]")));
}

static bool redis_queue_workers(struct queue *queue,
                                void (*fn)(void *arg, const struct queue_worker *w), void *arg,
                                struct err *e)
{
    enum { FIELDS = 6 };
    struct queue_redis *q = (struct queue_redis *)queue;
    CLEANUP(redis_reply_free)
    struct redis_reply *reply = run(q, &script_queue_workers, NULL, 0, e);
    if (!reply)
        return false;
    for (size_t i = 0; i + FIELDS <= redis_count(reply); i += FIELDS) {
        struct queue_worker w = { .seen_us = wall_of(q, redis_int(redis_at(reply, i + 1))),
                                  .slots = (int)redis_int(redis_at(reply, i + 2)),
                                  .running = (int)redis_int(redis_at(reply, i + 3)),
                                  .started_us = redis_int(redis_at(reply, i + 4)),
                                  .languages = redis_text(redis_at(reply, i + 5)).ptr };
        text_out(redis_at(reply, i), w.name, sizeof w.name);
        fn(arg, &w);
    }
    return true;
}

static bool redis_queue_tend(struct queue *queue, struct err *e)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    return run_ok(RUN(q, &script_queue_tend, e, NUMBER(q->config.lease_us)));
}

static bool redis_queue_stats(struct queue *queue, struct queue_stats *ret, struct err *e)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    CLEANUP(redis_reply_free) struct redis_reply *reply = run(q, &script_queue_stats, NULL, 0, e);
    if (!reply)
        return false;
    *ret = (struct queue_stats){ .leased = redis_int(redis_at(reply, 3)),
                                 .oldest_us = redis_int(redis_at(reply, 4)),
                                 .lease_expiries = redis_int(redis_at(reply, 5)),
                                 .dead = redis_int(redis_at(reply, 6)),
                                 .paused = redis_int(redis_at(reply, 7)) };
    for (size_t p = 0; p < QUEUE_PRIORITIES; p++)
        ret->waiting[p] = redis_int(redis_at(reply, p));
    return true;
}

/* ---- opening and closing ---- */

static void redis_queue_wake(struct queue *queue)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    pthread_mutex_lock(&q->lock);
    q->woken = true;
    for (struct puller *p = q->pullers; p; p = p->next)
        redis_line_wake(p->line);
    pthread_mutex_unlock(&q->lock);
}

static void redis_queue_close(struct queue *queue)
{
    struct queue_redis *q = (struct queue_redis *)queue;
    struct err ignored; /* Redis is away: our name is found to be gone */
    redis_reply_free(RUN(q, &script_queue_leave, &ignored, str_of(q->worker)));
    for (struct puller *p; (p = q->pullers);) {
        q->pullers = p->next;
        redis_line_free(p->line);
        free(p);
    }
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static const struct queue_ops ops = {
    .scheme = "redis",
    .push = redis_queue_push,
    .pull = redis_queue_pull,
    .extend = redis_queue_extend,
    .give_back = redis_queue_give_back,
    .ack = redis_queue_ack,
    .bury = redis_queue_bury,
    .drop = redis_queue_drop,
    .retry = redis_queue_retry,
    .pause = redis_queue_pause,
    .look = redis_queue_look,
    .list = redis_queue_list,
    .announce = redis_queue_announce,
    .workers = redis_queue_workers,
    .tend = redis_queue_tend,
    .stats = redis_queue_stats,
    .wake = redis_queue_wake,
    .close = redis_queue_close,
};

/* "host:pid:random", unlike any other process's, restarts with the same pid included. */
static void worker_name(char out[WORKER_TEXT])
{
    char host[WORKER_TEXT - 32] = "", random[17];
    uint8_t bytes[8];
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++)
        if (*c <= ' ' || *c == '/')
            *c = '-';
    random_bytes(bytes, sizeof bytes);
    hex_text(bytes, sizeof bytes, random);
    snprintf(out, WORKER_TEXT, "%s:%d:%s", host, (int)getpid(), random);
}

struct queue *queue_redis_open(struct redis *r, const char *prefix,
                               const struct queue_config *config, UNUSED struct err *e)
{
    struct queue_redis *q = calloc(1, sizeof *q);
    CHECK(q);
    q->queue.ops = &ops;
    q->config = *config;
    q->redis = r;
    key_name(q->key, prefix, "queue");
    static const char *const names[STREAMS] = { "queue:stream:0", "queue:stream:1",
                                                "queue:stream:2", "queue:wake" };
    for (int i = 0; i < STREAMS; i++)
        key_name(q->streams[i], prefix, names[i]);
    worker_name(q->worker);
    pthread_mutex_init(&q->lock, NULL);
    return &q->queue;
}
