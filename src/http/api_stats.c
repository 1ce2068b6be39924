/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "http/problem.h"
#include "http/route.h"
#include "store/delivery.h"

/* All that is shown. */
struct stats {
    struct service_stats service;
    struct delivery_stats deliveries;
};

/* A number of it, and where it stands; group NULL: at the top. Those of a group are neighbours. */
struct figure {
    const char *group, *name;
    size_t at, size;
};
#define FIGURE(group, name, member)                                                                \
    {                                                                                              \
        group, name, offsetof(struct stats, member), sizeof(((struct stats *)NULL)->member)        \
    }

static const struct figure figures[] = {
    FIGURE(NULL, "accepted", service.accepted),
    FIGURE(NULL, "finished", service.finished),
    FIGURE(NULL, "running", service.engine.jobs_running),
    FIGURE("lanes", "count", service.engine.lanes),
    FIGURE("lanes", "busy", service.engine.lanes_busy),
    FIGURE("lanes", "open", service.engine.lanes_open),
    FIGURE("lanes", "max", service.engine.lanes_max),
    FIGURE("lanes", "waiting", service.engine.lanes_waiting),
    FIGURE("lanes", "rebuilds", service.engine.rebuilds),
    FIGURE("lanes", "runs", service.engine.runs),
    FIGURE("memory", "promised_bytes", service.engine.memory_bytes),
    FIGURE("memory", "total_bytes", service.engine.memory_total_bytes),
    FIGURE("build_cache", "hits", service.engine.cache_hits),
    FIGURE("build_cache", "misses", service.engine.cache_misses),
    FIGURE("build_cache", "bytes", service.engine.cache_bytes),
    FIGURE("build_cache", "shared_hits", service.engine.shared_hits),
    FIGURE("build_cache", "shared_misses", service.engine.shared_misses),
    FIGURE("result_cache", "hits", service.results.hits),
    FIGURE("result_cache", "misses", service.results.misses),
    FIGURE("result_cache", "bytes", service.results.bytes),
    FIGURE("result_cache", "count", service.results.count),
    FIGURE("webhooks", "pending", deliveries.pending),
};

static int64_t value_of(const struct stats *s, const struct figure *f)
{
    const char *at = (const char *)s + f->at;
    int64_t wide;
    int narrow;
    if (f->size == sizeof wide)
        return memcpy(&wide, at, sizeof wide), wide;
    CHECK(f->size == sizeof narrow);
    return memcpy(&narrow, at, sizeof narrow), narrow;
}

static void put_figures(struct json_writer *w, const struct stats *s)
{
    const char *group = NULL;
    for (size_t i = 0; i < COUNT_OF(figures); i++) {
        const struct figure *f = &figures[i];
        bool other = f->group && (!group || strcmp(group, f->group) != 0);
        if (other && group)
            json_put_object_end(w);
        if (other) {
            json_put_key(w, f->group);
            json_put_object(w);
            group = f->group;
        }
        json_member_int(w, f->name, value_of(s, f));
    }
    if (group)
        json_put_object_end(w);
}

static void put_queue(struct json_writer *w, const struct queue_stats *q)
{
    json_put_key(w, "queue");
    json_put_object(w);
    json_put_key(w, "waiting");
    json_put_object(w);
    for (int p = 0; p < PRIORITY_COUNT; p++)
        json_member_int(w, priority_name((enum priority)p), q->waiting[p]);
    json_put_object_end(w);
    json_member_int(w, "leased", q->leased);
    json_member_int(w, "dead", q->dead);
    json_put_key(w, "paused");
    json_put_bool(w, q->paused);
    json_member_int(w, "lease_expiries", q->lease_expiries);
    json_put_object_end(w);
}

static bool read_stats(struct service *s, struct stats *ret, struct err *e)
{
    struct store *store = service_store(s);
    return service_stats(s, &ret->service, e) &&
           store->ops->deliveries->stats(store, &ret->deliveries, e);
}

/* Figures since the start of this process. */
static void show(struct request *r)
{
    struct stats stats;
    struct err e;
    if (!read_stats(r->context->service, &stats, &e)) {
        problem_err(r, &e);
        return;
    }
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    put_queue(&w, &stats.service.queue);
    put_figures(&w, &stats);
    json_put_object_end(&w);
}

static const struct route routes[] = {
    { METHOD_GET, "/v1/stats", show, ROUTE_ANY_ROLE },
};
const struct routes api_stats_routes = { routes, COUNT_OF(routes) };
