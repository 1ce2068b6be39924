/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/submissions/{token}/events: how a submission goes on, as server-sent events.
 */
#include "http/problem.h"
#include "http/route.h"
#include "http/stream.h"

static void not_found(struct request *r)
{
    problem_reply(r, 404, "not_found", NULL, "no submission with this token");
}

static void events(struct request *r)
{
    struct stream *stream = NULL;
    struct err e;
    if (r->query.count) {
        const char *name = r->query.items[0].name;
        problem_reply(r, 400, "invalid", name, "%.100s: no such query parameter", name);
        return;
    }
    if (!token_valid(str_of(r->args[0]))) {
        not_found(r);
        return;
    }
    enum got got = stream_open(r->context->streams, r->context->service, r->args[0],
                               request_header(r, "Last-Event-ID"), &stream, &e);
    if (got == GOT_FAILED) {
        problem_err(r, &e);
    } else if (got == GOT_NONE) {
        not_found(r);
    } else if (stream_had_all(stream)) { /* what tells a browser not to come again */
        stream_free(stream);
        reply_empty(r, 204, NULL);
    } else {
        reply_empty(r, 200, "text/event-stream");
        reply_header(r, "Cache-Control", "no-store");
        reply_header(r, "X-Accel-Buffering", "no"); /* nginx in front would gather them */
        r->stream = stream;
    }
}

static const struct route routes[] = {
    { METHOD_GET, "/v1/submissions/:token/events", events, 0 },
};
const struct routes api_events_routes = { routes, COUNT_OF(routes) };
