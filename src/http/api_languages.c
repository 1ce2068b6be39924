/* SPDX-License-Identifier: Apache-2.0 */
#include "http/problem.h"
#include "http/render.h"
#include "http/route.h"

static void list(struct request *r)
{
    const struct catalogue *c = r->context->catalogue;
    struct json_writer w = reply_json(r, 200);
    json_put_object(&w);
    json_put_key(&w, "languages");
    json_put_array(&w);
    for (size_t i = 0; i < catalogue_count(c); i++)
        render_language(catalogue_at(c, i), &w);
    json_put_array_end(&w);
    json_put_object_end(&w);
}

static void show(struct request *r)
{
    struct err e;
    const struct language *l = catalogue_find(r->context->catalogue, str_of(r->args[0]), &e);
    if (!l) {
        problem_reply(r, 404, "not_found", NULL, "%s", e.text);
        return;
    }
    struct json_writer w = reply_json(r, 200);
    render_language(l, &w);
}

static const struct route routes[] = {
    { METHOD_GET, "/v1/languages", list, 0 },
    { METHOD_GET, "/v1/languages/:id", show, 0 },
};
const struct routes api_languages_routes = { routes, COUNT_OF(routes) };
