/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /health says of store, queue, workers and lanes: each with its cause and its fix. What lies
 * behind a network of its own comes first: when that is away, it is the one that shall say so.
 */
#include <stdarg.h>

#include "base/clock.h"
#include "service/parts.h"

struct list {
    const struct lookout *lookout;
    struct health_check row; /* the one being filled */
    struct numbers numbers;
};

static struct health_check *add(struct list *l, const char *name)
{
    l->row = (struct health_check){ .name = name, .ok = true };
    l->lookout->began(l->lookout->arg, name);
    return &l->row;
}

static void end(struct list *l)
{
    l->lookout->ended(l->lookout->arg, &l->row);
}

PRINTF(2, 3) static void detail(struct health_check *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->detail, sizeof c->detail, fmt, args);
    va_end(args);
}

static void fix(struct health_check *c, bool minor, const char *text)
{
    c->ok = false;
    c->minor = minor;
    snprintf(c->fix, sizeof c->fix, "%s", text);
}

static void check_store(struct service *s, struct list *l)
{
    struct err e = { 0 };
    struct health_check *c = add(l, "store");
    detail(c, "%s", s->store->ops->scheme);
    if (!store_sync(s->store, &e)) {
        detail(c, "%s", e.text);
        fix(c, false,
            s->shared ? "look at Redis: EVALX_REDIS_URL"
                      : "look at disk space and permissions of the data folder");
    }
    char what[sizeof c->detail - 40] = "", how[sizeof c->fix] = "";
    if (c->ok && s->store->ops->health)
        s->store->ops->health(s->store, what, sizeof what, how, sizeof how);
    if (what[0]) {
        detail(c, "%s: %s", s->store->ops->scheme, what);
        fix(c, true, how);
    }
    end(l);
}

static void count_worker(void *arg, const struct queue_worker *w)
{
    int64_t *slots = arg;
    slots[0]++;
    slots[1] += w->slots;
}

static void note_workers(struct list *l, const int64_t workers[2])
{
    l->numbers.workers = workers[0];
    l->numbers.slots = workers[1];
    l->numbers.workers_us = mono_us();
}

/* Alone: this process is the worker. */
static void count_self(struct service *s, struct list *l)
{
    struct engine_stats lanes = { 0 };
    if (s->engine)
        engine_stats(s->engine, &lanes);
    note_workers(l, (const int64_t[2]){ s->engine != NULL, lanes.lanes });
}

static void check_workers(struct service *s, struct list *l, const struct queue_stats *stats)
{
    int64_t workers[2] = { 0 };
    struct err e;
    struct health_check *c = add(l, "workers");
    if (!queue_workers(s->queue, count_worker, workers, &e)) {
        detail(c, "%s", e.text);
        fix(c, false, "look at Redis: EVALX_REDIS_URL");
        end(l);
        return;
    }
    note_workers(l, workers);
    pthread_mutex_lock(&s->lock);
    bool known = s->engine || s->offers_known;
    pthread_mutex_unlock(&s->lock);
    detail(c, "%lld with %lld lanes%s", (long long)workers[0], (long long)workers[1],
           known ? "" : "; none has said yet which languages it runs, so all are accepted");
    if (!workers[0] && stats->leased)
        fix(c, true, "the workers fell silent: look at them");
    else if (!workers[0])
        fix(c, true, "start a worker: evalx serve --role worker");
    end(l);
}

static void check_queue(struct service *s, struct list *l)
{
    struct err e = { 0 };
    struct queue_stats q = { 0 };
    struct health_check *c = add(l, "queue");
    if (!queue_stats(s->queue, &q, &e)) {
        detail(c, "%s", e.text);
        fix(c, false, "look at the queue's server");
        end(l);
        return;
    }
    l->numbers.queue = q;
    l->numbers.queue_us = mono_us();
    int64_t waiting = q.waiting[0] + q.waiting[1] + q.waiting[2];
    int64_t oldest = q.oldest_us ? MAX(wall_us() - q.oldest_us, 0) / US_PER_S : 0;
    detail(c, "%s, %lld waiting, %lld running, %lld dead letters, oldest %lld s%s",
           s->queue->ops->scheme, (long long)waiting, (long long)q.leased, (long long)q.dead,
           (long long)oldest, q.paused ? ", paused" : "");
    if (q.paused)
        fix(c, true, "evalx queue resume");
    end(l);
    if (s->shared)
        check_workers(s, l, &q);
    else
        count_self(s, l);
}

static void check_lanes(struct service *s, struct list *l)
{
    if (!s->engine)
        return;
    struct engine_stats lanes;
    struct health_check *c = add(l, "lanes");
    engine_stats(s->engine, &lanes);
    detail(c, "%d, %d busy, %d more wait, %lld rebuilt", lanes.lanes, lanes.lanes_busy,
           lanes.lanes_waiting, (long long)lanes.rebuilds);
    if (lanes.lanes == 0)
        fix(c, false, "run `evalx doctor`");
    end(l);
}

static void check_errands(struct service *s, struct list *l)
{
    int64_t owed = 0;
    pthread_mutex_lock(&s->lock);
    bool trouble = s->trouble;
    for (const struct active *a = s->active; a; a = a->next)
        owed += a->errand != ERRAND_NONE;
    pthread_mutex_unlock(&s->lock);
    if (!trouble)
        return;
    struct health_check *c = add(l, "results");
    detail(c, "%lld wait in memory until the store takes them; nothing is pulled meanwhile",
           (long long)owed);
    fix(c, true, "look at the store");
    end(l);
}

static void count_deliveries(struct service *s, struct list *l)
{
    const struct delivery_ops *ops = s->store->ops->deliveries;
    struct err ignored; /* the store's check says it */
    if (ops && ops->stats(s->store, &l->numbers.deliveries, &ignored))
        l->numbers.deliveries_us = mono_us();
}

void health_look(struct service *s, const struct lookout *lookout)
{
    struct list l = { .lookout = lookout };
    check_store(s, &l);
    check_queue(s, &l);
    lookout->numbers(lookout->arg, &l.numbers);
    check_lanes(s, &l);
    check_errands(s, &l);
    count_deliveries(s, &l);
    lookout->numbers(lookout->arg, &l.numbers);
    /* Last, so that one of them that hangs keeps nobody from knowing the rest. */
    for (const struct health_source *x = s->config.sources; x && x->name; x++) {
        x->check(x->arg, add(&l, x->name));
        end(&l);
    }
}

/* ---- at once, for who has the time ---- */

struct rows {
    struct health_check *out;
    int count;
};

static void began_row(UNUSED void *arg, UNUSED const char *name)
{
}

static void ended_row(void *arg, const struct health_check *c)
{
    struct rows *r = arg;
    CHECK(r->count < HEALTH_MAX);
    r->out[r->count++] = *c;
}

static void ended_numbers(UNUSED void *arg, UNUSED const struct numbers *n)
{
}

int service_health(struct service *s, struct health_check out[HEALTH_MAX])
{
    struct rows rows = { .out = out };
    const struct lookout lookout = { began_row, ended_row, ended_numbers, &rows };
    health_look(s, &lookout);
    return rows.count;
}
