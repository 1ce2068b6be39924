/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.h - which handler answers a method and a path. Each api file holds its own table.
 *
 * Threads: any; no state.
 */
#ifndef EVALX_HTTP_ROUTE_H
#define EVALX_HTTP_ROUTE_H

#include "http/request.h"

enum {
    ROUTE_OPEN = 1u << 0,     /* no token needed, any address */
    ROUTE_AUTHZ = 1u << 1,    /* Judge0's second token needed */
    ROUTE_ADMIN = 1u << 2,    /* for the operator: access_operator() in place of a token */
    ROUTE_ANY_ROLE = 1u << 3, /* a worker serves it too */
    ROUTE_SUBMITS = 1u << 4,  /* takes submissions: a refusal is counted as one's */
};

struct route {
    enum method method;
    const char *path; /* "/v1/submissions/:token": what stands for ':' goes to request.args */
    handler_fn run;
    unsigned flags;
};

struct routes {
    const struct route *items;
    size_t count;
};

/*
 * Find the route and set request.args.
 *
 * ret_allow  NULL when the path is unknown, else the methods it takes: "GET, HEAD, POST"
 * ret        NULL when there is none for this method
 */
const struct route *route_find(const struct routes *tables, size_t count, struct request *r,
                               const char **ret_allow);

/* Answer a request: face, access, route, handler. */
void dispatch(struct request *r);

/* The tables. */
extern const struct routes api_submissions_routes, api_events_routes, api_languages_routes;
extern const struct routes api_health_routes, api_stats_routes, api_openapi_routes;
extern const struct routes api_metrics_routes, api_queue_routes, api_webhooks_routes;
extern const struct routes judge0_submissions_routes, judge0_batch_routes, judge0_meta_routes;

#endif
