/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries in Redis: see store.lua for the keys. A lease is a due time in the future. */
#include "base/clock.h"
#include "redis/store_redis.h"

enum { PAGE = 200, LINE_TEXT = DELIVERY_ERROR + 80 };

static struct store_redis *of(struct store *s)
{
    return (struct store_redis *)s;
}

/* row: { id, due, delivery } */
static void read_delivery(const struct redis_reply *row, struct delivery *ret)
{
    const struct redis_reply *d = redis_at(row, 2);
    *ret = (struct delivery){ .kind = (enum delivery_kind)reply_get_int(d, "k"),
                              .state = (enum delivery_state)reply_get_int(d, "s"),
                              .attempts = (int)reply_get_int(d, "n"),
                              .created_us = reply_get_int(d, "c") };
    if (ret->state == DELIVERY_PENDING)
        ret->due_us = redis_int(redis_at(row, 1));
    const struct redis_reply *job = reply_get(d, "j"), *url = reply_get(d, "u");
    reply_text(redis_at(row, 0), ret->id, sizeof ret->id);
    if (job)
        reply_text(job, ret->job, sizeof ret->job);
    if (url)
        reply_text(url, ret->url, sizeof ret->url);
}

static bool redis_lease(struct store *s, int64_t now_us, int64_t lease_us, struct delivery *ret,
                        int max, int *ret_count, int64_t *ret_next_us, struct err *e)
{
    struct ask ask;
    ask_init(&ask, of(s), &script_delivery_lease);
    ask_int(&ask, now_us);
    ask_int(&ask, now_us + lease_us);
    ask_int(&ask, max);
    CLEANUP(redis_reply_free) struct redis_reply *reply = ask_now(of(s), &ask, e);
    if (!reply)
        return false;
    const struct redis_reply *rows = redis_at(reply, 1);
    for (size_t i = 0; i < redis_count(rows); i++)
        read_delivery(redis_at(rows, i), &ret[i]);
    *ret_count = (int)redis_count(rows);
    bool any = redis_text(redis_at(reply, 0)).len > 0;
    *ret_next_us = any ? redis_int(redis_at(reply, 0)) : INT64_MAX;
    return true;
}

static bool redis_settle(struct store *s, const struct delivery *d,
                         const struct delivery_attempt *a, enum delivery_state state,
                         int64_t due_us, struct err *e)
{
    char line[LINE_TEXT];
    snprintf(line, sizeof line, "%" PRId64 " %" PRId64 " %d %s", a->at_us, a->took_us, a->status,
             a->error);
    struct ask ask;
    ask_init(&ask, of(s), &script_delivery_settle);
    ask_text(&ask, d->id);
    ask_int(&ask, d->attempts);
    ask_int(&ask, state);
    ask_int(&ask, due_us);
    ask_int(&ask, a->at_us);
    ask_text(&ask, line);
    ask_int(&ask, DELIVERY_LOG);
    return ask_got(ask_now(of(s), &ask, e)) != GOT_FAILED;
}

static enum got redis_replay(struct store *s, const char *id, int64_t now_us, struct err *e)
{
    struct ask ask;
    ask_init(&ask, of(s), &script_delivery_replay);
    ask_text(&ask, id);
    ask_int(&ask, now_us);
    return ask_got(ask_kept(of(s), &ask, e));
}

/* "at took status error", as redis_settle() writes it. */
static struct delivery_attempt read_line(const struct redis_reply *line)
{
    struct delivery_attempt a = { 0 };
    char text[LINE_TEXT], *at = text;
    reply_text(line, text, sizeof text);
    a.at_us = strtoll(at, &at, 10);
    a.took_us = strtoll(at, &at, 10);
    a.status = (int)strtol(at, &at, 10);
    if (*at == ' ')
        at++;
    snprintf(a.error, sizeof a.error, "%s", at);
    return a;
}

/* { id, due, delivery, log }, or NULL with GOT_NONE or GOT_FAILED. */
static struct redis_reply *ask_delivery(struct store *s, const char *id, enum got *ret_got,
                                        struct err *e)
{
    struct ask ask;
    ask_init(&ask, of(s), &script_delivery_load);
    ask_text(&ask, id);
    CLEANUP(redis_reply_free) struct redis_reply *reply = ask_now(of(s), &ask, e);
    *ret_got = !reply ? GOT_FAILED : redis_count(reply) ? GOT_ONE : GOT_NONE;
    return *ret_got == GOT_ONE ? TAKE(reply) : NULL;
}

static enum got redis_load_delivery(struct store *s, const char *id, struct delivery *ret,
                                    void (*attempt)(void *arg, const struct delivery_attempt *a),
                                    void *arg, struct err *e)
{
    enum got got;
    CLEANUP(redis_reply_free) struct redis_reply *reply = ask_delivery(s, id, &got, e);
    if (got != GOT_ONE)
        return got;
    read_delivery(reply, ret);
    const struct redis_reply *log = redis_at(reply, 3);
    for (size_t i = 0; attempt && i < redis_count(log); i++) {
        struct delivery_attempt a = read_line(redis_at(log, i));
        attempt(arg, &a);
    }
    return GOT_ONE;
}

/* ---- lists ---- */

static bool wanted(const struct delivery *d, const struct delivery_filter *f)
{
    if (f->has_state ? d->state != f->state : d->state == DELIVERY_OWED)
        return false;
    return !f->job || strcmp(d->job, f->job) == 0;
}

/* A submission's: their ids follow from its own. Callbacks came in behind webhooks. */
static bool list_of_job(struct store *s, const struct delivery_filter *f,
                        void (*fn)(void *arg, const struct delivery *d), void *arg, struct err *e)
{
    static const enum delivery_kind kinds[] = { DELIVERY_CALLBACK, DELIVERY_WEBHOOK };
    int given = 0;
    size_t first = 0;
    if (f->after)
        first = strncmp(f->after, "cb_", 3) == 0 ? 1 : 2;
    for (size_t i = first; i < COUNT_OF(kinds) && given < f->limit; i++) {
        char id[DELIVERY_TEXT];
        struct delivery d;
        delivery_id(kinds[i], f->job, id);
        enum got got = redis_load_delivery(s, id, &d, NULL, NULL, e);
        if (got == GOT_FAILED)
            return false;
        if (got == GOT_ONE && wanted(&d, f)) {
            fn(arg, &d);
            given++;
        }
    }
    return true;
}

static struct redis_reply *ask_page(struct store *s, const struct delivery_filter *f, int64_t below,
                                    int count, struct err *e)
{
    struct ask ask;
    ask_init(&ask, of(s), &script_delivery_page);
    if (below)
        ask_int(&ask, below);
    else
        ask_text(&ask, "+inf");
    ask_int(&ask, count);
    ask_int(&ask, f->has_state && f->state == DELIVERY_OWED);
    return ask_now(of(s), &ask, e);
}

/* The seq of the delivery a page goes on from; 0: from the newest. */
static bool find_cursor(struct store *s, const char *after, int64_t *ret, struct err *e)
{
    *ret = 0;
    if (!after)
        return true;
    enum got got;
    CLEANUP(redis_reply_free) struct redis_reply *reply = ask_delivery(s, after, &got, e);
    if (got == GOT_NONE)
        return err_invalid(e, "after", "no delivery %s to go on from", after);
    if (got == GOT_ONE)
        *ret = reply_get_int(redis_at(reply, 2), "q");
    return got == GOT_ONE;
}

static bool redis_list_deliveries(struct store *s, const struct delivery_filter *f,
                                  void (*fn)(void *arg, const struct delivery *d), void *arg,
                                  struct err *e)
{
    if (f->job)
        return list_of_job(s, f, fn, arg, e);
    int64_t below;
    if (!find_cursor(s, f->after, &below, e))
        return false;
    int given = 0;
    for (size_t got = PAGE; got == PAGE && given < f->limit;) {
        CLEANUP(redis_reply_free) struct redis_reply *page = ask_page(s, f, below, PAGE, e);
        if (!page)
            return false;
        got = redis_count(page);
        for (size_t i = 0; i < got && given < f->limit; i++) {
            struct delivery d;
            read_delivery(redis_at(page, i), &d);
            below = reply_get_int(redis_at(redis_at(page, i), 2), "q");
            if (!wanted(&d, f))
                continue;
            fn(arg, &d);
            given++;
        }
    }
    return true;
}

static bool redis_stats(struct store *s, struct delivery_stats *ret, struct err *e)
{
    struct ask ask;
    ask_init(&ask, of(s), &script_delivery_stats);
    CLEANUP(redis_reply_free) struct redis_reply *reply = ask_now(of(s), &ask, e);
    if (!reply)
        return false;
    *ret = (struct delivery_stats){ .pending = redis_int(redis_at(reply, 0)),
                                    .oldest_due_us = redis_int(redis_at(reply, 1)) };
    return true;
}

const struct delivery_ops redis_deliveries = {
    .lease = redis_lease,
    .settle = redis_settle,
    .replay = redis_replay,
    .load = redis_load_delivery,
    .list = redis_list_deliveries,
    .stats = redis_stats,
};
