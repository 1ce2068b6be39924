/* SPDX-License-Identifier: Apache-2.0 */
#include "http/problem.h"
#include "http/route.h"

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

static void put_engine(struct json_writer *w, const struct engine_stats *s)
{
    json_put_key(w, "lanes");
    json_put_object(w);
    json_member_int(w, "count", s->lanes);
    json_member_int(w, "busy", s->lanes_busy);
    json_member_int(w, "open", s->lanes_open);
    json_member_int(w, "max", s->lanes_max);
    json_member_int(w, "waiting", s->lanes_waiting);
    json_member_int(w, "rebuilds", s->rebuilds);
    json_member_int(w, "runs", s->runs);
    json_put_object_end(w);
    json_put_key(w, "memory");
    json_put_object(w);
    json_member_int(w, "promised_bytes", s->memory_bytes);
    json_member_int(w, "total_bytes", s->memory_total_bytes);
    json_put_object_end(w);
    json_put_key(w, "build_cache");
    json_put_object(w);
    json_member_int(w, "hits", s->cache_hits);
    json_member_int(w, "misses", s->cache_misses);
    json_member_int(w, "bytes", s->cache_bytes);
    json_member_int(w, "shared_hits", s->shared_hits);
    json_member_int(w, "shared_misses", s->shared_misses);
    json_put_object_end(w);
}

static void put_results(struct json_writer *w, const struct result_cache_stats *s)
{
    json_put_key(w, "result_cache");
    json_put_object(w);
    json_member_int(w, "hits", s->hits);
    json_member_int(w, "misses", s->misses);
    json_member_int(w, "bytes", s->bytes);
    json_member_int(w, "count", s->count);
    json_put_object_end(w);
}

/* Figures since the start of this process. */
static void show(struct request *r)
{
    struct service_stats stats;
    struct err e;
    if (!service_stats(r->context->service, &stats, &e)) {
        problem_err(r, &e);
        return;
    }
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    json_member_int(&w, "accepted", stats.accepted);
    json_member_int(&w, "finished", stats.finished);
    json_member_int(&w, "running", stats.engine.jobs_running);
    put_queue(&w, &stats.queue);
    put_engine(&w, &stats.engine);
    put_results(&w, &stats.results);
    json_put_object_end(&w);
}

static const struct route routes[] = {
    { METHOD_GET, "/v1/stats", show, ROUTE_ANY_ROLE },
};
const struct routes api_stats_routes = { routes, COUNT_OF(routes) };
