/* SPDX-License-Identifier: Apache-2.0 */
/* For Prometheus, in every role: open to all, unless EVALX_METRICS_TOKENS names who may read. */
#include "base/metric.h"
#include "http/access.h"
#include "http/measure.h"
#include "http/problem.h"
#include "http/route.h"

static void show(struct request *r)
{
    const struct http_config *c = &r->context->config;
    if (c->metrics_tokens && *c->metrics_tokens && !access_bearer(r, c->metrics_tokens)) {
        reply_header(r, "WWW-Authenticate", "Bearer");
        problem_reply(r, 401, "unauthorized", NULL,
                      "this needs Authorization: Bearer, with one of EVALX_METRICS_TOKENS");
        return;
    }
    r->reply.status = 200;
    r->reply.type = METRICS_CONTENT_TYPE;
    measure_page(r->context, &r->reply.body);
}

static const struct route routes[] = {
    { METHOD_GET, "/metrics", show, ROUTE_OPEN | ROUTE_ANY_ROLE },
};
const struct routes api_metrics_routes = { routes, COUNT_OF(routes) };
