/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three questions: is the process there (live), may traffic come (ready), and what exactly is well
 * or not (health, with every layer of the sandbox). The first two need no token.
 *
 * Live leans on nothing: a server whose Redis is away must not be restarted for it. The other two
 * tell what service_vitals() knows: a look is shared by all who ask within a second, and nobody
 * waits longer than WAIT_US for one that hangs.
 */
#include "base/clock.h"
#include "http/route.h"
#include "service/vitals.h"

#define WAIT_US  (800 * US_PER_MS)
#define STUCK_US (2 * US_PER_S) /* asked, and no answer for so long: as good as away */
#define OLD_US   (3 * US_PER_S) /* nor does an old answer count, once a newer one was waited for */

static void put_since(struct json_writer *w, int64_t since_us, int64_t age_us)
{
    char text[32];
    wall_text(since_us, text, sizeof text);
    json_member_text(w, "since", since_us ? text : NULL);
    json_put_key(w, "checked_seconds_ago");
    if (age_us >= 0)
        json_put_double(w, (double)age_us / (double)US_PER_S);
    else
        json_put_null(w);
}

/* ---- what was asked ---- */

static bool is_stuck(const struct vital_check *v)
{
    return v->asking_us >= STUCK_US || v->age_us < 0 || v->age_us > OLD_US;
}

static bool is_well(const struct vital_check *v)
{
    return v->check.ok && !is_stuck(v);
}

/* Not well in a way that keeps requests from being served. */
static bool is_down(const struct vital_check *v)
{
    return !v->check.minor && !is_well(v);
}

static const char *state_of(const struct vital_check *v)
{
    return is_stuck(v) ? "unknown" : v->check.ok ? "ok" : v->check.minor ? "degraded" : "down";
}

/* One that hangs has said something before, at most. */
static const char *detail_of(const struct vital_check *v, char *out, size_t size)
{
    if (!is_stuck(v))
        return v->check.detail;
    snprintf(out, size, "no answer for %.1f s%s%s", (double)v->asking_us / (double)US_PER_S,
             v->check.detail[0] ? "; before: " : "", v->check.detail);
    return out;
}

static void put_check(struct json_writer *w, const struct vital_check *v)
{
    char detail[sizeof v->check.detail + 64];
    json_put_object(w);
    json_member_text(w, "name", v->check.name);
    json_member_bool(w, "ok", is_well(v));
    json_member_text(w, "state", state_of(v));
    put_since(w, v->since_us, v->age_us);
    json_member_text(w, "detail", detail_of(v, detail, sizeof detail));
    json_member_text(w, "fix", v->check.fix[0] ? v->check.fix : NULL);
    json_put_object_end(w);
}

/* Layers are probed at the start; whatever breaks later breaks a lane, which is a row of its own.
 */
static void put_layer(struct json_writer *w, const struct layer *l, int64_t probed_us)
{
    json_put_object(w);
    json_member_text(w, "name", l->name);
    json_member_bool(w, "ok", l->ok);
    json_member_text(w, "state", !l->ok ? "down" : l->weak ? "degraded" : "ok");
    put_since(w, probed_us, MAX(wall_us() - probed_us, 0));
    json_member_text(w, "detail", l->detail);
    json_member_text(w, "fix", l->fix[0] ? l->fix : NULL);
    json_put_object_end(w);
}

static bool layers_ok(const struct http_config *c)
{
    for (size_t i = 0; i < c->layer_count; i++)
        if (!c->layers[i].ok)
            return false;
    return true;
}

static bool any_down(const struct vitals *v)
{
    for (int i = 0; i < v->count; i++)
        if (is_down(&v->checks[i]))
            return true;
    return false;
}

static bool all_well(const struct vitals *v)
{
    for (int i = 0; i < v->count; i++)
        if (!is_well(&v->checks[i]))
            return false;
    return true;
}

/* ---- the three ---- */

static void health(struct request *r)
{
    const struct context *context = r->context;
    const struct http_config *c = &context->config;
    struct vitals v;
    service_vitals(context->service, WAIT_US, &v);
    bool ok = !any_down(&v) && layers_ok(c);
    bool draining = service_draining(context->service);

    struct json_writer w = reply_json(r, ok ? 200 : 503);
    json_put_object(&w);
    json_member_text(&w, "status", !ok ? "failing" : all_well(&v) ? "ok" : "degraded");
    json_member_bool(&w, "draining", draining);
    json_member_text(&w, "version", c->version);
    json_member_int(&w, "uptime_seconds", (wall_us() - context->started_us) / US_PER_S);
    json_put_key(&w, "checks");
    json_put_array(&w);
    for (int i = 0; i < v.count; i++)
        put_check(&w, &v.checks[i]);
    json_put_array_end(&w);
    json_put_key(&w, "sandbox");
    json_put_array(&w);
    for (size_t i = 0; i < c->layer_count; i++)
        put_layer(&w, &c->layers[i], context->started_us);
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
    json_member_text(w, "name", name);
    json_member_text(w, "detail", detail);
    json_put_object_end(w);
}

static void put_reasons(struct json_writer *w, const struct vitals *v, const struct http_config *c)
{
    char detail[sizeof v->checks[0].check.detail + 64];
    for (int i = 0; i < v->count; i++)
        if (is_down(&v->checks[i]))
            put_reason(w, v->checks[i].check.name, detail_of(&v->checks[i], detail, sizeof detail));
    for (size_t i = 0; i < c->layer_count; i++)
        if (!c->layers[i].ok)
            put_reason(w, c->layers[i].name, c->layers[i].detail);
}

static void ready(struct request *r)
{
    const struct http_config *c = &r->context->config;
    struct vitals v;
    service_vitals(r->context->service, WAIT_US, &v);
    bool draining = service_draining(r->context->service);
    bool well = !any_down(&v) && layers_ok(c);
    const char *status = draining      ? "draining"
                         : !v.complete ? "starting"
                         : !well       ? "not_ready"
                                       : "ready";

    struct json_writer w = reply_json(r, draining || !v.complete || !well ? 503 : 200);
    json_put_object(&w);
    json_member_text(&w, "status", status);
    json_put_key(&w, "reasons");
    json_put_array(&w);
    if (draining)
        put_reason(&w, "draining", "the server is about to end: send traffic elsewhere");
    put_reasons(&w, &v, c);
    json_put_array_end(&w);
    json_put_object_end(&w);
}

static const struct route routes[] = {
    { METHOD_GET, "/health", health, ROUTE_ANY_ROLE },
    { METHOD_GET, "/health/live", live, ROUTE_OPEN | ROUTE_ANY_ROLE },
    { METHOD_GET, "/health/ready", ready, ROUTE_OPEN | ROUTE_ANY_ROLE },
};
const struct routes api_health_routes = { routes, COUNT_OF(routes) };
