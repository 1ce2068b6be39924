/* SPDX-License-Identifier: Apache-2.0 */
#include "http/inbox.h"

#include <microhttpd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "http/listener.h"

enum { IDLE_S = 30, CONNECTIONS = 256 };

struct inbox {
    struct MHD_Daemon *daemon;
    int port;
    size_t body_bytes_max;
    inbox_fn fn;
    void *arg;
};

/* A request on its way in. */
struct arrival {
    struct arena arena;
    const char *target; /* with the query */
    struct buf body;
    bool begun, too_large;
};

const char *letter_header(const struct letter *l, const char *name)
{
    return MHD_lookup_connection_value(l->connection, MHD_HEADER_KIND, name);
}

static void *on_uri(UNUSED void *arg, const char *uri, UNUSED struct MHD_Connection *connection)
{
    struct arrival *a = calloc(1, sizeof *a);
    CHECK(a);
    a->target = arena_text(&a->arena, uri);
    return a;
}

static void on_end(UNUSED void *arg, UNUSED struct MHD_Connection *connection, void **state,
                   UNUSED enum MHD_RequestTerminationCode why)
{
    struct arrival *a = *state;
    if (!a)
        return;
    *state = NULL;
    buf_done(&a->body);
    arena_done(&a->arena);
    free(a);
}

static enum MHD_Result answer(struct MHD_Connection *connection, int status)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    enum MHD_Result done = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return done;
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *connection,
                                 UNUSED const char *url, const char *method,
                                 UNUSED const char *version, const char *upload,
                                 size_t *upload_size, void **state)
{
    struct inbox *b = arg;
    struct arrival *a = *state;
    if (!a->begun) {
        a->begun = true;
        return MHD_YES;
    }
    if (*upload_size) {
        a->too_large |= *upload_size > b->body_bytes_max - a->body.len;
        if (!a->too_large)
            buf_add(&a->body, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (a->too_large)
        return answer(connection, 413);
    const struct letter letter = {
        .method = method,
        .target = a->target,
        .body = buf_str(&a->body),
        .connection = connection,
    };
    return answer(connection, b->fn(b->arg, &letter));
}

struct inbox *inbox_start(const char *listen, size_t body_bytes_max, inbox_fn fn, void *arg,
                          struct err *e)
{
    CLEANUP(fd_close) int fd = listener_open(listen, e);
    if (fd < 0)
        return NULL;
    struct inbox *b = calloc(1, sizeof *b);
    CHECK(b);
    b->port = listener_port(fd);
    b->body_bytes_max = body_bytes_max;
    b->fn = fn;
    b->arg = arg;
    b->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_access, b,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, b,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, b, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
    if (!b->daemon) {
        err_sys(e, "start the HTTP server");
        free(b);
        return NULL;
    }
    (void)TAKE_FD(fd); /* the daemon's */
    return b;
}

int inbox_port(const struct inbox *b)
{
    return b->port;
}

void inbox_stop(struct inbox *b)
{
    if (!b)
        return;
    MHD_stop_daemon(b->daemon);
    free(b);
}
