/* SPDX-License-Identifier: Apache-2.0 */
/* What /health says of store, queue, workers and lanes: each with its cause and its fix. */
#include <stdarg.h>

#include "base/clock.h"
#include "service/parts.h"

struct list {
    struct health_check *out;
    int count;
};

static struct health_check *add(struct list *l, const char *name)
{
    CHECK(l->count < HEALTH_MAX);
    struct health_check *c = &l->out[l->count++];
    *c = (struct health_check){ .name = name, .ok = true };
    return c;
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
    if (!c->ok || !s->store->ops->health)
        return;
    char what[sizeof c->detail - 40] = "", how[sizeof c->fix] = "";
    s->store->ops->health(s->store, what, sizeof what, how, sizeof how);
    if (what[0]) {
        detail(c, "%s: %s", s->store->ops->scheme, what);
        fix(c, true, how);
    }
}

static void count_worker(void *arg, const struct queue_worker *w)
{
    int64_t *slots = arg;
    slots[0]++;
    slots[1] += w->slots;
}

static void check_workers(struct service *s, struct list *l, const struct queue_stats *stats)
{
    int64_t workers[2] = { 0 };
    struct err e;
    if (!s->shared)
        return;
    struct health_check *c = add(l, "workers");
    if (!queue_workers(s->queue, count_worker, workers, &e)) {
        detail(c, "%s", e.text);
        fix(c, false, "look at Redis: EVALX_REDIS_URL");
        return;
    }
    pthread_mutex_lock(&s->lock);
    bool known = s->engine || s->offers_known;
    pthread_mutex_unlock(&s->lock);
    detail(c, "%lld with %lld lanes%s", (long long)workers[0], (long long)workers[1],
           known ? "" : "; none has said yet which languages it runs, so all are accepted");
    if (!workers[0] && stats->leased)
        fix(c, true, "the workers fell silent: look at them");
    else if (!workers[0])
        fix(c, true, "start a worker: evalx serve --role worker");
}

static void check_queue(struct service *s, struct list *l)
{
    struct err e = { 0 };
    struct queue_stats q = { 0 };
    struct health_check *c = add(l, "queue");
    if (!queue_stats(s->queue, &q, &e)) {
        detail(c, "%s", e.text);
        fix(c, false, "look at the queue's server");
        return;
    }
    int64_t waiting = q.waiting[0] + q.waiting[1] + q.waiting[2];
    int64_t oldest = q.oldest_us ? MAX(wall_us() - q.oldest_us, 0) / US_PER_S : 0;
    detail(c, "%s, %lld waiting, %lld running, %lld dead letters, oldest %lld s%s",
           s->queue->ops->scheme, (long long)waiting, (long long)q.leased, (long long)q.dead,
           (long long)oldest, q.paused ? ", paused" : "");
    if (q.paused)
        fix(c, true, "evalx queue resume");
    check_workers(s, l, &q);
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
}

int service_health(struct service *s, struct health_check out[HEALTH_MAX])
{
    struct list l = { .out = out };
    check_store(s, &l);
    check_queue(s, &l);
    check_lanes(s, &l);
    check_errands(s, &l);
    for (const struct health_source *x = s->config.sources; x && x->name; x++)
        x->check(x->arg, add(&l, x->name));
    return l.count;
}
