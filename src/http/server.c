/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd behind our words: the only file that includes it.
 *
 * A few threads each have an epoll of their own connections, and the handler runs right there. The
 * way of a request:
 *
 *   on_uri      its struct is made, the target kept as it came
 *   on_access   called again and again: head, pieces of the body, end of the body; there it is
 *               dispatched, then either answered or parked (MHD: suspended), and called once more
 *               when it was woken (MHD: resumed)
 *   on_stream   of a body that is made while it is sent: its next bytes, or parked likewise
 *   on_end      sent or broken off: freed, whatever it was doing
 *
 * A connection must be suspended before anybody may resume it, so it is suspended first and handed
 * to wait_park() then. A body over the limit is still read, up to a bound, and thrown away: closing
 * on a client that is sending makes its kernel drop our answer.
 */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "http/deliver.h"
#include "http/judge0_statistics.h"
#include "http/listener.h"
#include "http/measure.h"
#include "http/origin.h"
#include "http/problem.h"
#include "http/request.h"
#include "http/route.h"
#include "http/stream.h"
#include "http/wait.h"

enum {
    THREADS = 16,
    CONNECTIONS = 4096,
    EVENT_STREAMS = 1000,
    STREAM_BLOCK = 16 * 1024,
    IDLE_S = 30,
    HEAD_BYTES = 128 * 1024,    /* request line and headers of one connection */
    DISCARD_BYTES = 64 << 20,   /* of a body that is too large; then the connection is closed */
    BODY_HINT_BYTES = 1 << 20,  /* believed of a Content-Length when memory is reserved */
    BODIES_AT_LEAST = 64 << 20, /* all bodies together: this, or some of the largest */
    BODIES_OF_LARGEST = 16,
    STOP_S = 3,
};

struct http {
    struct context context;
    struct waits *waits;
    struct streams streams;
    struct MHD_Daemon *daemon;
    int port;
    bool quiet; /* the socket to the world is closed */
    size_t bodies_max;
    atomic_size_t bodies; /* bytes of all bodies held now */

    pthread_mutex_t lock;
    pthread_cond_t idle;
    /* under lock */
    int64_t requests; /* begun and not ended */
};

/* What the server keeps of a request, beside what handlers see. */
struct exchange {
    struct request request; /* first */
    struct http *http;
    struct MHD_Connection *connection;
    bool begun, answered;
    size_t held; /* of bodies, for this one */
    size_t discarded;
};

/* ---- a request's beginning and end ---- */

static void count_requests(struct http *h, int64_t change)
{
    measure_in_flight(change);
    pthread_mutex_lock(&h->lock);
    h->requests += change;
    if (h->requests == 0)
        pthread_cond_broadcast(&h->idle);
    pthread_mutex_unlock(&h->lock);
}

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct http *h = arg;
    struct exchange *x = calloc(1, sizeof *x);
    CHECK(x);
    x->http = h;
    x->connection = connection;
    x->request.context = &h->context;
    x->request.target = arena_str(&x->request.arena, str_of(uri));
    x->request.began_us = mono_us();
    count_requests(h, 1);
    return x;
}

static void on_end(UNUSED void *arg, UNUSED struct MHD_Connection *connection, void **state,
                   UNUSED enum MHD_RequestTerminationCode why)
{
    struct exchange *x = *state;
    if (!x)
        return;
    *state = NULL;
    wait_free(x->request.wait);
    stream_free(x->request.stream);
    json_free(x->request.json);
    buf_done(&x->request.body);
    buf_done(&x->request.reply.body);
    arena_done(&x->request.arena);
    atomic_fetch_sub(&x->http->bodies, x->held);
    count_requests(x->http, -1);
    free(x);
}

const char *request_header(const struct request *r, const char *name)
{
    const struct exchange *x = (const struct exchange *)(const void *)r;
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

struct header_search {
    const char *name;
    void (*fn)(void *arg, const char *value);
    void *arg;
};

static enum MHD_Result on_header(void *arg, UNUSED enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct header_search *search = arg;
    if (strcasecmp(name, search->name) == 0)
        search->fn(search->arg, value ? value : "");
    return MHD_YES;
}

void request_headers(const struct request *r, const char *name,
                     void (*fn)(void *arg, const char *value), void *arg)
{
    const struct exchange *x = (const struct exchange *)(const void *)r;
    struct header_search search = { name, fn, arg };
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, on_header, &search);
}

static enum method method_of(const char *text)
{
    for (int m = METHOD_GET; m <= METHOD_OPTIONS; m++)
        if (strcmp(text, method_name((enum method)m)) == 0)
            return (enum method)m;
    return strcmp(text, "HEAD") == 0 ? METHOD_GET : METHOD_OTHER;
}

static void set_client(struct request *r, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    if (!address)
        return;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &v4->sin_addr, r->client, sizeof r->client);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        const struct in6_addr *a = &v6->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(a)) /* a v4 client of a v6 socket is known by its v4 address */
            inet_ntop(AF_INET, &a->s6_addr[12], r->client, sizeof r->client);
        else
            inet_ntop(AF_INET6, a, r->client, sizeof r->client);
    }
}

static enum body_kind body_kind_of(const char *type)
{
    static const char *const json[] = { "application/json", "text/x-json",
                                        "application/jsonrequest" };
    if (!type)
        return BODY_NONE;
    for (size_t i = 0; i < COUNT_OF(json); i++)
        if (media_type_is(type, json[i]))
            return BODY_JSON;
    if (media_type_is(type, "application/x-www-form-urlencoded"))
        return BODY_FORM;
    return media_type_is(type, "multipart/form-data") ? BODY_MULTIPART : BODY_OTHER;
}

static int64_t content_length(const struct request *r)
{
    const char *text = request_header(r, "Content-Length");
    return text ? strtoll(text, NULL, 10) : 0;
}

static void begin(struct exchange *x, const char *method)
{
    struct request *r = &x->request;
    r->method_text = arena_text(&r->arena, method);
    r->method = method_of(method);
    r->head = strcmp(method, "HEAD") == 0;
    r->body_type = request_header(r, "Content-Type");
    r->body_kind = body_kind_of(r->body_type);
    set_client(r, x->connection);
    origin_read(r);

    int64_t length = content_length(r);
    size_t most = r->context->config.body_bytes_max;
    r->body_too_large = length > 0 && (uint64_t)length > most;
    if (length > 0 && !r->body_too_large)
        buf_reserve(&r->body, MIN((size_t)length, (size_t)BODY_HINT_BYTES));
    x->begun = true;
}

static bool has_room(struct exchange *x, size_t len)
{
    struct http *h = x->http;
    if (atomic_fetch_add(&h->bodies, len) + len > h->bodies_max) {
        atomic_fetch_sub(&h->bodies, len);
        return false;
    }
    x->held += len;
    return true;
}

static void drop_body(struct exchange *x)
{
    buf_done(&x->request.body);
    x->request.body = (struct buf){ 0 };
    atomic_fetch_sub(&x->http->bodies, x->held);
    x->held = 0;
}

/* False: enough of it, the connection is to be closed. */
static bool take_body(struct exchange *x, const char *bytes, size_t len)
{
    struct request *r = &x->request;
    r->body_too_large |= len > r->context->config.body_bytes_max - r->body.len;
    r->no_room |= !r->body_too_large && !r->no_room && !has_room(x, len);
    if (!r->body_too_large && !r->no_room) {
        buf_add(&r->body, bytes, len);
        return true;
    }
    drop_body(x);
    x->discarded += len;
    return x->discarded <= DISCARD_BYTES;
}

/* ---- the reply ---- */

/* Never the query: it may hold a token. */
static void log_request(const struct request *r)
{
    int path = (int)strcspn(r->target.ptr, "?");
    double ms = (double)(mono_us() - r->began_us) / 1000.0;
    log_write(r->context->config.access_log ? LOG_INFO : LOG_DEBUG, "http.request",
              "request_id=%s trace_id=%s span_id=%s parent_id=%s method=%s path=%.*s status=%d "
              "bytes=%zu ms=%.3f client=%s",
              r->id, r->trace.id, r->trace.span, r->parent_span, r->method_text, path,
              r->target.ptr, r->reply.status, r->reply.body.len, ms, r->client);
    if (r->reply.why.kind != ERR_NONE)
        log_error("http.failed", "request_id=%s trace_id=%s method=%s path=%.*s status=%d why=%s",
                  r->id, r->trace.id, r->method_text, path, r->target.ptr, r->reply.status,
                  r->reply.why.text);
}

static void resume(void *arg)
{
    MHD_resume_connection(arg);
}

static ssize_t on_stream(void *arg, UNUSED uint64_t position, char *to, size_t size)
{
    struct exchange *x = arg;
    struct stream *stream = x->request.stream;
    ssize_t len = stream_read(stream, x->http->waits, mono_us(), to, size);
    if (len < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (len == 0) {
        MHD_suspend_connection(x->connection);
        stream_park(stream, x->http->waits, resume, x->connection);
    }
    return len;
}

/* Takes the body over. */
static struct MHD_Response *make_response(struct exchange *x)
{
    struct request *r = &x->request;
    size_t len = r->reply.body.len;
    if (r->stream && !r->head)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, x,
                                                 NULL);
    if (!len)
        return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, r->reply.body.ptr, MHD_RESPMEM_MUST_FREE);
    if (response)
        r->reply.body = (struct buf){ 0 }; /* the response owns it now */
    return response;
}

static enum MHD_Result send_reply(struct exchange *x)
{
    struct request *r = &x->request;
    CHECK(r->reply.status);
    log_request(r);
    measure_reply(r);

    struct MHD_Response *response = make_response(x);
    if (!response)
        return MHD_NO;
    if (r->reply.type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->reply.type);
    if (service_draining(r->context->service)) /* the next request finds another server */
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    MHD_add_response_header(response, "X-Request-Id", r->id);
    MHD_add_response_header(response, "traceresponse", origin_response(r));
    for (size_t i = 0; i < r->reply.header_count; i++) /* empty values are left out */
        MHD_add_response_header(response, r->reply.headers[i].name, r->reply.headers[i].value);
    enum MHD_Result done = MHD_queue_response(x->connection, (unsigned)r->reply.status, response);
    MHD_destroy_response(response);
    x->answered = true;
    return done;
}

static enum MHD_Result send_or_park(struct exchange *x)
{
    struct request *r = &x->request;
    if (!r->then)
        return send_reply(x);
    MHD_suspend_connection(x->connection);
    wait_park(r->wait, x->http->waits, mono_us() + r->wait_us, resume, x->connection);
    return MHD_YES;
}

/* Woken: by the job's end, the deadline, or the server's stop. */
static void go_on(struct request *r)
{
    handler_fn then = TAKE(r->then);
    wait_free(TAKE(r->wait));
    then(r);
}

/* Two lengths for one body: what a proxy in front takes for the next request would be ours to pick.
 */
static bool is_ambiguous(const struct request *r)
{
    return request_header(r, "Transfer-Encoding") && request_header(r, "Content-Length");
}

/* A body that is far too large is refused before it is sent. */
static bool refuse_early(const struct request *r)
{
    const char *expect = request_header(r, "Expect");
    return r->body_too_large && (expect || content_length(r) > DISCARD_BYTES);
}

static enum MHD_Result on_access(UNUSED void *arg, UNUSED struct MHD_Connection *connection,
                                 UNUSED const char *url, const char *method,
                                 UNUSED const char *http_version, const char *upload,
                                 size_t *upload_size, void **state)
{
    struct exchange *x = *state;
    struct request *r = &x->request;
    if (!x->begun) {
        begin(x, method);
        if (is_ambiguous(r)) {
            reply_header(r, "Connection", "close");
            problem_reply(r, 400, "malformed", "Content-Length",
                          "Content-Length cannot stand beside Transfer-Encoding");
            return send_reply(x);
        }
        if (!refuse_early(r))
            return MHD_YES;
        dispatch(r);
        return send_reply(x);
    }
    if (*upload_size) {
        if (!take_body(x, upload, *upload_size))
            return MHD_NO;
        *upload_size = 0;
        return MHD_YES;
    }
    if (x->answered)
        return MHD_YES;
    if (r->then)
        go_on(r);
    else
        dispatch(r);
    return send_or_park(x);
}

/* ---- start and stop ---- */

static void on_log(UNUSED void *arg, const char *fmt, va_list args) PRINTF(2, 0);

static void on_log(UNUSED void *arg, const char *fmt, va_list args)
{
    char text[256];
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http.library", "text=%s", text);
}

/* Judge0 programs expect en_US; where the machine lacks it, runtimes would complain on stderr. */
static const char *locale_here(void)
{
    locale_t found = newlocale(LC_ALL_MASK, "en_US.UTF-8", (locale_t)0);
    if (!found)
        return "C.UTF-8";
    freelocale(found);
    return "en_US.UTF-8";
}

static void context_init(struct context *c, const struct http_config *config,
                         struct service *service)
{
    c->config = *config;
    c->service = service;
    c->catalogue = service_catalogue(service);
    c->locale = locale_here();
    c->started_us = wall_us();
    c->statistics = statistics_new();
    /* What is promised is what the floors below will do. */
    if (!service_policy(service)->allow_network) {
        c->config.judge0.allow_enable_network = false;
        c->config.judge0.enable_network = false;
    }
}

static struct MHD_Daemon *start_daemon(struct http *h, int fd)
{
    const struct http_config *c = &h->context.config;
    unsigned flags =
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    unsigned idle_s = c->idle_us > 0 ? (unsigned)MAX(c->idle_us / US_PER_S, 1) : IDLE_S;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, h, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)(c->threads > 0 ? c->threads : THREADS), MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(c->connections > 0 ? c->connections : CONNECTIONS),
        MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEAD_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

struct http *http_start(const struct http_config *config, struct service *service, struct err *e)
{
    CLEANUP(fd_close) int fd = listener_open(config->listen, e);
    if (fd < 0)
        return NULL;

    struct http *h = calloc(1, sizeof *h);
    CHECK(h);
    context_init(&h->context, config, service);
    h->streams.most = config->event_streams > 0 ? config->event_streams : EVENT_STREAMS;
    h->context.streams = &h->streams;
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->idle, &attr);
    pthread_condattr_destroy(&attr);
    measure_start(config->worker);
    h->port = listener_port(fd);
    h->bodies_max = MAX((size_t)BODIES_AT_LEAST, BODIES_OF_LARGEST * config->body_bytes_max);
    h->waits = waits_start(e);
    if (!h->waits) {
        http_stop(h);
        return NULL;
    }
    h->daemon = start_daemon(h, fd);
    if (!h->daemon) {
        err_sys(e, "start the HTTP server");
        http_stop(h);
        return NULL;
    }
    (void)TAKE_FD(fd); /* the daemon's */
    return h;
}

void http_render_delivery(void *h, enum delivery_kind kind, const struct record *r, struct buf *out)
{
    deliver_render(&((struct http *)h)->context, kind, r, out);
}

int http_port(const struct http *h)
{
    return h->port;
}

static void wait_for_requests(struct http *h)
{
    struct timespec until = us_to_timespec(mono_us() + STOP_S * US_PER_S);
    pthread_mutex_lock(&h->lock);
    while (h->requests && pthread_cond_timedwait(&h->idle, &h->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&h->lock);
}

/* Who was let in by the kernel and not yet by us would be cut off with the socket. */
static void take_waiting(struct http *h, int fd)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int one;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        return;
    while ((one = accept4(fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK)) >=
           0) {
        if (MHD_add_connection(h->daemon, one, (struct sockaddr *)&from, size) != MHD_YES)
            break; /* closed by it */
        size = sizeof from;
    }
}

void http_quiesce(struct http *h)
{
    if (h->quiet)
        return;
    h->quiet = true;
    CLEANUP(fd_close) int fd = MHD_quiesce_daemon(h->daemon);
    if (fd >= 0)
        take_waiting(h, fd);
}

void http_stop(struct http *h)
{
    if (!h)
        return;
    if (h->daemon) {
        http_quiesce(h);
        waits_release(h->waits);
        wait_for_requests(h);
        MHD_stop_daemon(h->daemon);
    }
    waits_stop(h->waits);
    statistics_free(h->context.statistics);
    pthread_cond_destroy(&h->idle);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
