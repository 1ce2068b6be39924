/* SPDX-License-Identifier: Apache-2.0 */
#include "webhook/receivers.h"

#include "base/map.h"
#include "drivers/web.h"

enum {
    TRANSFERS = 200,
    PER_RECEIVER = 16,
    WAITING = 8192,
    UNPROVEN_WAITING = 64,
    REMEMBERED = 4096, /* idle receivers, for what is known of them */
    KEY_TEXT = 264,
};

struct link {
    struct link *next, *prev; /* NULL when in no line */
};

struct receiver {
    struct link link; /* first; in the line of those with something to send, or in that of idle
                       * ones, oldest first */
    struct held *first, **last;
    int waiting, running;
    int window; /* transfers it may have at one time */
    bool proven;
    char key[];
};

/* A ring with a head that is no receiver. */
struct line {
    struct link head;
    int count;
};

struct receivers {
    struct receivers_config config;
    struct map by_key;
    struct line turns, idle;
    int waiting, running, unproven_running;
};

/* ---- lines ---- */

static void line_init(struct line *l)
{
    l->head.next = l->head.prev = &l->head;
}

static void line_add(struct line *l, struct receiver *r)
{
    struct link *x = &r->link;
    x->next = &l->head;
    x->prev = l->head.prev;
    x->prev->next = x->next->prev = x;
    l->count++;
}

static void line_take(struct line *l, struct receiver *r)
{
    struct link *x = &r->link;
    x->prev->next = x->next;
    x->next->prev = x->prev;
    x->next = x->prev = NULL;
    l->count--;
}

static struct receiver *receiver_of(struct link *x)
{
    return (struct receiver *)(void *)x;
}

/* ---- receivers ---- */

struct receivers *receivers_new(const struct receivers_config *config)
{
    struct receivers *rs = calloc(1, sizeof *rs);
    CHECK(rs);
    rs->config = *config;
    if (rs->config.transfers <= 0)
        rs->config.transfers = TRANSFERS;
    if (rs->config.unproven <= 0)
        rs->config.unproven = MAX(rs->config.transfers * 3 / 4, 1);
    if (rs->config.per_receiver <= 0)
        rs->config.per_receiver = PER_RECEIVER;
    if (rs->config.waiting <= 0)
        rs->config.waiting = WAITING;
    line_init(&rs->turns);
    line_init(&rs->idle);
    return rs;
}

static void receiver_free(struct receivers *rs, struct receiver *r)
{
    map_take(&rs->by_key, r->key);
    for (struct held *h; (h = r->first);) {
        r->first = h->next;
        free(h);
    }
    free(r);
}

void receivers_free(struct receivers *rs)
{
    if (!rs)
        return;
    size_t at = 0;
    for (struct receiver *r; (r = map_next(&rs->by_key, &at)); at = 0)
        receiver_free(rs, r);
    map_done(&rs->by_key);
    free(rs);
}

/* One that has nothing to do is remembered for a while, for how it answered. */
static void receiver_rest(struct receivers *rs, struct receiver *r)
{
    line_add(&rs->idle, r);
    if (rs->idle.count <= REMEMBERED)
        return;
    struct receiver *oldest = receiver_of(rs->idle.head.next);
    line_take(&rs->idle, oldest);
    receiver_free(rs, oldest);
}

static struct receiver *receiver_get(struct receivers *rs, const char *key)
{
    struct receiver *r = map_get(&rs->by_key, key);
    if (r)
        return r;
    size_t size = strlen(key) + 1;
    r = calloc(1, sizeof *r + size);
    CHECK(r);
    memcpy(r->key, key, size);
    r->last = &r->first;
    r->window = 1;
    map_put(&rs->by_key, r->key, r);
    receiver_rest(rs, r);
    return r;
}

/* ---- waiting ---- */

bool receivers_have_room(const struct receivers *rs)
{
    return rs->waiting < rs->config.waiting;
}

static bool has_room(const struct receivers *rs, const struct receiver *r)
{
    int most = MAX(rs->config.waiting / 2, 1);
    if (!r->proven)
        most = MIN(most, (int)UNPROVEN_WAITING);
    return receivers_have_room(rs) && r->waiting < most;
}

bool receivers_add(struct receivers *rs, const struct delivery *d, int64_t lease_us, bool *ret_bad)
{
    char key[KEY_TEXT];
    size_t size = strlen(d->url) + 1;
    *ret_bad = false;
    CLEANUP(buf_done) struct buf plain = { 0 }, user = { 0 };
    if (!web_url_take_user(d->url, &plain, &user) ||
        !web_url_receiver(buf_str(&plain).ptr, key, sizeof key)) {
        *ret_bad = true;
        return false;
    }
    struct receiver *r = receiver_get(rs, key);
    if (!has_room(rs, r))
        return false;

    struct held *h = calloc(1, sizeof *h + size);
    CHECK(h);
    h->receiver = r;
    h->kind = d->kind;
    h->attempts = d->attempts;
    h->created_us = d->created_us;
    h->lease_us = lease_us;
    memcpy(h->id, d->id, sizeof h->id);
    memcpy(h->job, d->job, sizeof h->job);
    memcpy(h->url, d->url, size);
    if (!r->waiting) {
        if (!r->running)
            line_take(&rs->idle, r);
        line_add(&rs->turns, r);
    }
    *r->last = h;
    r->last = &h->next;
    r->waiting++;
    rs->waiting++;
    return true;
}

/* The first in the receiver's line, out of it. */
static struct held *take_first(struct receivers *rs, struct receiver *r)
{
    struct held *h = r->first;
    r->first = h->next;
    if (!r->first)
        r->last = &r->first;
    h->next = NULL;
    r->waiting--;
    rs->waiting--;
    return h;
}

static void let_go_old(struct receivers *rs, struct receiver *r, int64_t until_us)
{
    while (r->first && r->first->lease_us <= until_us)
        free(take_first(rs, r));
    if (r->first)
        return;
    line_take(&rs->turns, r);
    if (!r->running)
        receiver_rest(rs, r);
}

/* ---- sending ---- */

static bool may_run(const struct receivers *rs, const struct receiver *r)
{
    return r->running < r->window && (r->proven || rs->unproven_running < rs->config.unproven);
}

static struct held *run_first(struct receivers *rs, struct receiver *r)
{
    struct held *h = take_first(rs, r);
    line_take(&rs->turns, r);
    if (r->waiting)
        line_add(&rs->turns, r); /* the others first */
    r->running++;
    rs->running++;
    if (!r->proven)
        rs->unproven_running++;
    return h;
}

struct held *receivers_next(struct receivers *rs, int64_t now_us, int64_t time_us)
{
    if (rs->running >= rs->config.transfers)
        return NULL;
    for (struct link *x = rs->turns.head.next, *next; x != &rs->turns.head; x = next) {
        struct receiver *r = receiver_of(x);
        next = x->next;
        if (!may_run(rs, r))
            continue;
        let_go_old(rs, r, now_us + time_us);
        if (r->first)
            return run_first(rs, r);
    }
    return NULL;
}

static void set_proven(struct receivers *rs, struct receiver *r, bool proven)
{
    if (r->proven != proven)
        rs->unproven_running += proven ? -r->running : r->running;
    r->proven = proven;
}

static void stop_running(struct receivers *rs, struct receiver *r)
{
    r->running--;
    rs->running--;
    if (!r->proven)
        rs->unproven_running--;
}

void receivers_put_back(struct receivers *rs, struct held *h)
{
    struct receiver *r = h->receiver;
    stop_running(rs, r);
    if (!r->waiting)
        line_add(&rs->turns, r);
    h->next = r->first;
    r->first = h;
    if (!h->next)
        r->last = &h->next;
    r->waiting++;
    rs->waiting++;
}

void receivers_done(struct receivers *rs, struct held *h, bool well)
{
    struct receiver *r = h->receiver;
    stop_running(rs, r);
    set_proven(rs, r, well);
    r->window = well ? MIN(r->window * 2, rs->config.per_receiver) : 1;
    if (!r->running && !r->waiting)
        receiver_rest(rs, r);
    free(h);
}

const char *receiver_name(const struct receiver *r)
{
    return r->key;
}

int receivers_running(const struct receivers *rs)
{
    return rs->running;
}

int receivers_waiting(const struct receivers *rs)
{
    return rs->waiting;
}

int receivers_known(const struct receivers *rs)
{
    return (int)rs->by_key.count;
}
