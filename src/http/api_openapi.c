/* SPDX-License-Identifier: Apache-2.0 */
#include "http/route.h"

/* docs/openapi.json, kept by hand; the build turns it into numbers. */
static const char document[] = {
#include "http/openapi.inc"
};

static void show(struct request *r)
{
    reply_text(r, 200, "application/json; charset=utf-8",
               (struct str){ document, sizeof document });
}

static const struct route routes[] = {
    { METHOD_GET, "/openapi.json", show, ROUTE_OPEN },
};
const struct routes api_openapi_routes = { routes, COUNT_OF(routes) };
