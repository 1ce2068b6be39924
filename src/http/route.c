/* SPDX-License-Identifier: Apache-2.0 */
#include "http/route.h"

#include "http/access.h"
#include "http/judge0.h"
#include "http/problem.h"

static bool path_matches(const char *pattern, const struct path *path, const char *args[2])
{
    size_t i = 0, taken = 0;
    while (*pattern == '/' && pattern[1]) {
        pattern++;
        size_t len = strcspn(pattern, "/");
        if (i == path->count)
            return false;
        const char *segment = path->segments[i++];
        if (*pattern == ':')
            args[taken++] = segment;
        else if (strlen(segment) != len || memcmp(segment, pattern, len) != 0)
            return false;
        pattern += len;
    }
    return i == path->count;
}

const struct route *route_find(const struct routes *tables, size_t count, struct request *r,
                               const char **ret_allow)
{
    *ret_allow = NULL;
    for (size_t t = 0; t < count; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            const struct route *route = &tables[t].items[i];
            const char *args[2] = { 0 };
            if (!path_matches(route->path, &r->path, args))
                continue;
            if (route->method == r->method) {
                memcpy(r->args, args, sizeof args);
                return route;
            }
            *ret_allow = arena_printf(&r->arena, "%s%s%s%s", *ret_allow ? *ret_allow : "",
                                      *ret_allow ? ", " : "", method_name(route->method),
                                      route->method == METHOD_GET ? ", HEAD" : "");
        }
    }
    return NULL;
}

/* ---- the native face ---- */

static bool is_native(const struct path *path)
{
    static const char *const roots[] = { "v1", "health", "metrics", "openapi.json" };
    for (size_t i = 0; i < COUNT_OF(roots); i++)
        if (path->count && strcmp(path->segments[0], roots[i]) == 0)
            return true;
    return false;
}

/* False: only the API's processes do, and that was answered. */
static bool served_here(struct request *r, const struct route *route)
{
    if (!r->context->config.worker || (route && (route->flags & ROUTE_ANY_ROLE)))
        return true;
    problem_reply(r, 404, "not_found", NULL,
                  "this process is a worker: submissions go to one with EVALX_ROLE=api or all");
    return false;
}

static bool refuse_operator(struct request *r)
{
    const char *const *tokens = r->context->config.admin_tokens;
    if (tokens && *tokens) {
        reply_header(r, "WWW-Authenticate", "Bearer");
        problem_reply(r, 401, "unauthorized", NULL,
                      "this is for the operator: Authorization: Bearer, with one of "
                      "EVALX_ADMIN_TOKENS");
    } else {
        problem_reply(r, 403, "forbidden", NULL,
                      "this is for the operator: ask from the server's own machine, or set "
                      "EVALX_ADMIN_TOKENS there");
    }
    return false;
}

/* False: refused, and answered. */
static bool native_admit(struct request *r, const struct route *route)
{
    if (route->flags & ROUTE_OPEN)
        return true;
    if (!access_ip(r)) {
        problem_reply(r, 403, "forbidden", NULL, "this address may not use the API");
        return false;
    }
    if (route->flags & ROUTE_ADMIN)
        return access_operator(r) || refuse_operator(r);
    if (access_authn(r))
        return true;
    reply_header(r, "WWW-Authenticate", "Bearer");
    problem_reply(r, 401, "unauthorized", NULL,
                  "a valid token is needed: Authorization: Bearer TOKEN, or %s: TOKEN",
                  r->context->config.judge0.authn_header);
    return false;
}

static void native_dispatch(struct request *r)
{
    const struct routes tables[] = { api_submissions_routes, api_events_routes,
                                     api_languages_routes,   api_health_routes,
                                     api_stats_routes,       api_openapi_routes,
                                     api_queue_routes,       api_webhooks_routes,
                                     api_metrics_routes };
    const char *allow;
    const struct route *route = route_find(tables, COUNT_OF(tables), r, &allow);
    r->route = route;
    if (!route && allow) {
        reply_header(r, "Allow", allow);
        problem_reply(r, 405, "method_not_allowed", NULL, "this path takes %s", allow);
        return;
    }
    if (!route) {
        problem_reply(r, 404, "not_found", NULL, "no such path");
        return;
    }
    if (!served_here(r, route) || !native_admit(r, route))
        return;
    if (r->body_too_large) {
        problem_reply(r, 413, "body_too_large", NULL, "the body is larger than %zu bytes",
                      r->context->config.body_bytes_max);
        return;
    }
    if (r->no_room) {
        reply_header(r, "Retry-After", "5");
        problem_reply(r, 503, "limit", NULL, "too many large bodies at one time");
        return;
    }
    route->run(r);
}

/* ---- the Judge0 face ---- */

/* "/languages/71.json" is "/languages/71" there. */
static void cut_ending(struct request *r)
{
    if (!r->path.count)
        return;
    const char **last = &r->path.segments[r->path.count - 1];
    const char *dot = strrchr(*last, '.');
    if (dot && dot != *last)
        *last = arena_str(&r->arena, (struct str){ *last, (size_t)(dot - *last) }).ptr;
}

/* The body may hold the token, so it comes first; false: it was refused. */
static bool judge0_take_body(struct request *r)
{
    struct err e;
    if (r->body_too_large)
        judge0_refuse(r, 413, "the body is larger than %zu bytes",
                      r->context->config.body_bytes_max);
    else if (r->no_room)
        judge0_refuse(r, 503, "too many large bodies at one time");
    else if (!judge0_load_body(r, &e))
        judge0_error(r, 400);
    else
        return true;
    return false;
}

/* False: refused, and answered. */
static bool judge0_admit(struct request *r, const struct route *route)
{
    bool address = access_ip(r);
    if (address && !judge0_take_body(r))
        return false;
    int refused = !address                                           ? 403
                  : !access_authn(r)                                 ? 401
                  : (route->flags & ROUTE_AUTHZ) && !access_authz(r) ? 403
                                                                     : 0;
    if (refused)
        reply_empty(r, refused, "text/html; charset=UTF-8");
    return !refused;
}

static void judge0_dispatch(struct request *r)
{
    const struct routes tables[] = { judge0_batch_routes, judge0_submissions_routes,
                                     judge0_meta_routes };
    const char *allow;
    if (!served_here(r, NULL))
        return;
    cut_ending(r);
    const struct route *route = route_find(tables, COUNT_OF(tables), r, &allow);
    r->route = route;
    if (!route)
        judge0_error(r, 404);
    else if ((route->flags & ROUTE_OPEN) || judge0_admit(r, route))
        route->run(r);
}

/* ---- both ---- */

/* The target, cut at its '?' and decoded. */
static bool parse_target(struct request *r, struct err *e)
{
    const char *mark = memchr(r->target.ptr, '?', r->target.len);
    size_t path_len = mark ? (size_t)(mark - r->target.ptr) : r->target.len;
    struct str query = mark ? (struct str){ mark + 1, r->target.len - path_len - 1 } : STR("");
    return path_parse((struct str){ r->target.ptr, path_len }, &r->arena, &r->path, e) &&
           params_parse(query, &r->arena, &r->query, e);
}

enum { TARGET_BYTES_MAX = 32 * 1024 };

void dispatch(struct request *r)
{
    struct err e;
    access_cors(r);
    if (access_is_preflight(r)) {
        reply_empty(r, 200, NULL);
        return;
    }
    bool native = str_starts(r->target, "/v1/") || str_starts(r->target, "/health");
    if (r->target.len > TARGET_BYTES_MAX) {
        problem_reply(r, 414, "uri_too_long", NULL, "path and query are longer than %d bytes",
                      TARGET_BYTES_MAX);
    } else if (!parse_target(r, &e)) {
        if (native || e.kind == ERR_NOT_FOUND)
            problem_reply(r, e.kind == ERR_NOT_FOUND ? 404 : 400, err_kind_name(e.kind), e.field,
                          "%s", e.text);
        else
            judge0_error(r, 400);
    } else if (is_native(&r->path)) {
        native_dispatch(r);
    } else {
        judge0_dispatch(r);
    }
}
