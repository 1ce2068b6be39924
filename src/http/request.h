/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h - one request and its reply, as handlers see them.
 *
 * A handler reads the request, fills the reply and returns. To wait for a job's end it calls
 * request_watch() before the job is accepted, so that no end is missed, then request_wait(); the
 * server puts the connection aside and calls the function it was given once the job is final or the
 * time is over.
 *
 * Threads: a request belongs to one thread at a time.
 */
#ifndef EVALX_HTTP_REQUEST_H
#define EVALX_HTTP_REQUEST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/trace.h"
#include "http/parse.h"
#include "http/server.h"

enum method {
    METHOD_OTHER, /* nothing we serve */
    METHOD_GET,   /* HEAD too: the body is left out when it is sent */
    METHOD_POST,
    METHOD_DELETE,
    METHOD_OPTIONS,
};

const char *method_name(enum method m);

/* What handlers may know of the server. */
struct route;

struct context {
    struct http_config config;
    struct service *service;
    const struct catalogue *catalogue;
    const char *locale; /* of Judge0 jobs: "en_US.UTF-8" where the machine has it, or "C.UTF-8" */
    int64_t started_us; /* wall clock */
    struct statistics *statistics;
    struct streams *streams;
};

struct header {
    const char *name, *value;
};

enum { HEADERS_MAX = 12 };

struct reply {
    int status;
    const char *type; /* Content-Type, or NULL */
    struct buf body;
    struct header headers[HEADERS_MAX]; /* values live as long as the request's arena */
    size_t header_count;
    struct err why; /* of a 5xx: for the log */
};

enum body_kind {
    BODY_NONE,
    BODY_JSON, /* in any of the types Judge0 takes for it */
    BODY_FORM,
    BODY_MULTIPART,
    BODY_OTHER,
};

struct request;
typedef void (*handler_fn)(struct request *r);

struct request {
    struct arena arena;
    const struct context *context;

    /* Where it comes from: origin.h. */
    const char *id;
    struct trace trace;             /* span: this request's own */
    char parent_span[SPAN_ID_TEXT]; /* "": it began the trace */
    const char *tracestate;         /* NULL */

    enum method method;
    const char *method_text; /* as the client wrote it */
    bool head;
    struct str target; /* path and query as they came */
    struct path path;
    struct params query;
    const struct route *route; /* NULL: none was found */
    const char *args[2];       /* what stands for the ':name's of the route */
    char client[64];           /* the peer's address */

    struct buf body;
    bool body_too_large;
    bool no_room; /* the bodies of all requests together are too large: come back later */
    enum body_kind body_kind;
    const char *body_type; /* Content-Type, or NULL */
    struct json *json;     /* of a BODY_JSON that was asked for by request_json(); owned */
    struct params form;    /* of a form */

    struct reply reply;
    bool counted; /* as accepted or refused, by the handler */

    /* Waiting; see wait.h. */
    struct wait *wait;
    handler_fn then;
    int64_t wait_us;

    struct stream *stream; /* owned: the body, in place of reply.body; see stream.h */

    int64_t began_us; /* monotonic */
    void *connection; /* the server's */
};

/* A request header's value; name in any case. NULL when absent. */
const char *request_header(const struct request *r, const char *name);

/* Each value of a header that may stand more than once. */
void request_headers(const struct request *r, const char *name,
                     void (*fn)(void *arg, const char *value), void *arg);

enum { JSON_VALUES_MAX = 1000000 };

/*
 * The body as JSON, parsed once. A document of more than JSON_VALUES_MAX values is refused before
 * it is parsed: a value costs a hundred bytes of memory and two of the body.
 *
 * ret     NULL with no error for an empty body
 * errors  INVALID
 */
MUST_USE bool request_json(struct request *r, const struct json **ret, struct err *e);

/* Get told of this job's end; replaces an earlier watch. To be called before it is accepted. */
void request_watch(struct request *r, const char *id);

/* After the handler: wait for the watched job's end, at most wait_us, then call then. */
void request_wait(struct request *r, int64_t wait_us, handler_fn then);

/* ---- the reply ---- */

void reply_header(struct request *r, const char *name, const char *value);

/* Start a JSON reply; the writer writes its body. */
struct json_writer reply_json(struct request *r, int status);

/* Some text as the whole body. */
void reply_text(struct request *r, int status, const char *type, struct str text);

/* No body; type may be NULL. */
void reply_empty(struct request *r, int status, const char *type);

#endif
