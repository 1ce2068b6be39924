/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three questions: is the process there (live), may traffic come (ready), and what exactly is well
 * or not (health, with every layer of the sandbox). The first two need no token.
 */
#include "base/clock.h"
#include "http/route.h"

static void put_row(struct json_writer *w, const char *name, bool ok, const char *detail,
                    const char *fix)
{
    json_put_object(w);
    json_put_key(w, "name");
    json_put_text(w, name);
    json_put_key(w, "ok");
    json_put_bool(w, ok);
    json_put_key(w, "detail");
    json_put_text(w, detail);
    json_put_key(w, "fix");
    json_put_text(w, *fix ? fix : NULL);
    json_put_object_end(w);
}

/* Whether requests can be served; minor: whether nothing at all is wrong. */
static bool all_ok(const struct health_check *checks, int count, bool minor)
{
    for (int i = 0; i < count; i++)
        if (!checks[i].ok && (minor || !checks[i].minor))
            return false;
    return true;
}

static bool layers_ok(const struct http_config *c)
{
    for (size_t i = 0; i < c->layer_count; i++)
        if (!c->layers[i].ok)
            return false;
    return true;
}

static void health(struct request *r)
{
    const struct http_config *c = &r->context->config;
    struct health_check checks[HEALTH_MAX];
    int count = service_health(r->context->service, checks);
    bool ok = all_ok(checks, count, false) && layers_ok(c);
    bool whole = ok && all_ok(checks, count, true);

    struct json_writer w = reply_json(r, ok ? 200 : 503);
    json_put_object(&w);
    json_put_key(&w, "status");
    json_put_text(&w, whole ? "ok" : ok ? "degraded" : "failing");
    json_put_key(&w, "version");
    json_put_text(&w, c->version);
    json_put_key(&w, "uptime_seconds");
    json_put_int(&w, (wall_us() - r->context->started_us) / US_PER_S);
    json_put_key(&w, "checks");
    json_put_array(&w);
    for (int i = 0; i < count; i++)
        put_row(&w, checks[i].name, checks[i].ok, checks[i].detail, checks[i].fix);
    json_put_array_end(&w);
    json_put_key(&w, "sandbox");
    json_put_array(&w);
    for (size_t i = 0; i < c->layer_count; i++)
        put_row(&w, c->layers[i].name, c->layers[i].ok, c->layers[i].detail, c->layers[i].fix);
    json_put_array_end(&w);
    json_put_object_end(&w);
}

static void live(struct request *r)
{
    reply_text(r, 200, "application/json; charset=utf-8", STR("{\"status\":\"ok\"}"));
}

static void put_reason(struct json_writer *w, const char *name, const char *detail)
{
    json_put_object(w);
    json_put_key(w, "name");
    json_put_text(w, name);
    json_put_key(w, "detail");
    json_put_text(w, detail);
    json_put_object_end(w);
}

static void ready(struct request *r)
{
    const struct http_config *c = &r->context->config;
    struct health_check checks[HEALTH_MAX];
    int count = service_health(r->context->service, checks);
    bool ok = all_ok(checks, count, false) && layers_ok(c);

    struct json_writer w = reply_json(r, ok ? 200 : 503);
    json_put_object(&w);
    json_put_key(&w, "status");
    json_put_text(&w, ok ? "ready" : "not_ready");
    json_put_key(&w, "reasons");
    json_put_array(&w);
    for (int i = 0; i < count; i++)
        if (!checks[i].ok && !checks[i].minor)
            put_reason(&w, checks[i].name, checks[i].detail);
    for (size_t i = 0; i < c->layer_count; i++)
        if (!c->layers[i].ok)
            put_reason(&w, c->layers[i].name, c->layers[i].detail);
    json_put_array_end(&w);
    json_put_object_end(&w);
}

static const struct route routes[] = {
    { METHOD_GET, "/health", health, ROUTE_ANY_ROLE },
    { METHOD_GET, "/health/live", live, ROUTE_OPEN | ROUTE_ANY_ROLE },
    { METHOD_GET, "/health/ready", ready, ROUTE_OPEN | ROUTE_ANY_ROLE },
};
const struct routes api_health_routes = { routes, COUNT_OF(routes) };
