/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket that never blocks, hiredis's parser behind it, TLS between the two where the URL asks
 * for it. Who owns the wire polls its descriptor and calls redis_wire_move().
 *
 * TCP_USER_TIMEOUT and keep-alive make the kernel find out that the other side is gone, without
 * any traffic of ours: tcp(7).
 */
#include "drivers/redis_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

enum { READ_BYTES = 64 * 1024, KEEP_BUFFER = 256 * 1024 };

/* ---- opening and closing ---- */

void redis_wire_init(struct wire *w)
{
    *w = (struct wire){ .fd = -1 };
}

void redis_wire_close(struct wire *w)
{
    fd_close(w->fd);
    w->fd = -1;
    w->connecting = false;
    if (w->reader)
        redisReaderFree(w->reader);
    w->reader = NULL;
    tls_free(w->tls);
    w->tls = NULL;
    buf_reset(&w->out);
    w->out_at = 0;
}

void redis_wire_free(struct wire *w)
{
    redis_wire_close(w);
    buf_done(&w->out);
}

/* Best effort: a socket without them works too. */
static void tune(int fd, int family, int64_t timeout_us)
{
    static const struct {
        int level, name, value;
    } options[] = {
        { IPPROTO_TCP, TCP_NODELAY, 1 },   { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, 15 }, { IPPROTO_TCP, TCP_KEEPINTVL, 5 },
        { IPPROTO_TCP, TCP_KEEPCNT, 3 },
    };
    if (family == AF_UNIX)
        return;
    for (size_t i = 0; i < COUNT_OF(options); i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
    unsigned int ms = (unsigned int)MAX(timeout_us / 1000, 1);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

static bool wire_err(int sys, const char *what, struct err *e)
{
    err_sysno(e, sys, "redis: %s", what);
    e->kind = ERR_UNAVAILABLE;
    return false;
}

bool redis_wire_open(struct wire *w, const struct wire_setup *setup,
                     const struct sockaddr_storage *address, socklen_t size, struct err *e)
{
    redis_wire_close(w);
    w->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        return wire_err(errno, "socket", e);
    tune(w->fd, address->ss_family, setup->timeout_us);
    if (connect(w->fd, (const struct sockaddr *)address, size) != 0) {
        /* AF_UNIX says EAGAIN when too many wait to be accepted. */
        if (errno != EINPROGRESS) {
            wire_err(errno, "connect", e);
            redis_wire_close(w);
            return false;
        }
        w->connecting = true;
    }
    w->reader = redisReaderCreate();
    CHECK(w->reader);
    if (setup->tls)
        w->tls = tls_new(setup->tls, setup->place);
    return true;
}

/* ---- bytes ---- */

short redis_wire_events(const struct wire *w)
{
    if (w->connecting)
        return POLLOUT;
    bool more = w->tls ? tls_wants_out(w->tls) : redis_wire_unsent(w) > 0;
    return more ? POLLIN | POLLOUT : POLLIN;
}

static enum got plain_write(int fd, struct str bytes, size_t *ret, struct err *e)
{
    ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return GOT_NONE;
    if (sent < 0) {
        wire_err(errno, "send", e);
        return GOT_FAILED;
    }
    *ret = (size_t)sent;
    return GOT_ONE;
}

static enum got plain_read(int fd, char *out, size_t size, size_t *ret, struct err *e)
{
    ssize_t got = recv(fd, out, size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return GOT_NONE;
    if (got < 0)
        wire_err(errno, "receive", e);
    else if (got == 0)
        err_set(e, ERR_UNAVAILABLE, "redis: the server closed the connection");
    if (got <= 0)
        return GOT_FAILED;
    *ret = (size_t)got;
    return GOT_ONE;
}

bool redis_wire_flush(struct wire *w, struct err *e)
{
    while (!w->connecting && (redis_wire_unsent(w) > 0 || (w->tls && tls_wants_out(w->tls)))) {
        size_t sent = 0;
        struct str rest = { w->out.ptr + w->out_at, redis_wire_unsent(w) };
        enum got got =
            w->tls ? tls_write(w->tls, w->fd, rest, &sent, e) : plain_write(w->fd, rest, &sent, e);
        if (got == GOT_FAILED)
            return false;
        if (got == GOT_NONE)
            break;
        w->out_at += sent;
    }
    if (redis_wire_unsent(w) == 0) {
        w->out_at = 0;
        if (w->out.capacity > KEEP_BUFFER)
            buf_done(&w->out);
        buf_reset(&w->out);
    }
    return true;
}

enum { READS_MAX = 16 };

/*
 * All there is now, but not for ever: who sends faster than we read must not keep the thread. What
 * TLS took from the socket already is read to its end, since poll() does not know of it.
 */
static bool receive(struct wire *w, bool *heard, struct err *e)
{
    static _Thread_local char bytes[READ_BYTES];
    for (int i = 0; i < READS_MAX || w->tls; i++) {
        size_t got = 0;
        enum got any =
            w->tls ? tls_read(w->tls, i < READS_MAX ? w->fd : -1, bytes, sizeof bytes, &got, e)
                   : plain_read(w->fd, bytes, sizeof bytes, &got, e);
        if (any == GOT_FAILED)
            return false;
        if (any == GOT_NONE)
            return true;
        *heard = true;
        if (redisReaderFeed(w->reader, bytes, got) != REDIS_OK)
            return err_set(e, ERR_UNAVAILABLE, "redis: %s", redisReaderGetError(w->reader));
        if (got < sizeof bytes && !w->tls)
            return true;
    }
    return true;
}

static bool finish_connecting(struct wire *w, struct err *e)
{
    int sys = 0;
    socklen_t size = sizeof sys;
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &sys, &size) != 0)
        sys = errno;
    if (sys != 0)
        return wire_err(sys, "connect", e);
    w->connecting = false;
    return true;
}

bool redis_wire_move(struct wire *w, short revents, bool *ret_heard, struct err *e)
{
    *ret_heard = false;
    if (w->connecting) {
        if (!(revents & (POLLOUT | POLLERR | POLLHUP)))
            return true;
        if (!finish_connecting(w, e))
            return false;
        return redis_wire_flush(w, e);
    }
    if ((revents & (POLLIN | POLLERR | POLLHUP)) && !receive(w, ret_heard, e))
        return false;
    return redis_wire_flush(w, e);
}

enum got redis_wire_reply(struct wire *w, redisReply **ret, struct err *e)
{
    void *reply = NULL;
    if (redisReaderGetReply(w->reader, &reply) != REDIS_OK) {
        err_set(e, ERR_UNAVAILABLE, "redis: not Redis's protocol: %s",
                redisReaderGetError(w->reader));
        return GOT_FAILED;
    }
    if (!reply)
        return GOT_NONE;
    *ret = reply;
    return GOT_ONE;
}

/* ---- the greeting ---- */

static void step(struct greeting *g, char what)
{
    size_t len = strlen(g->steps);
    CHECK(len + 1 < sizeof g->steps);
    g->steps[len] = what;
}

void greeting_begin(struct greeting *g, const struct redis_url *u, bool sentinel, struct buf *out)
{
    const char *user = sentinel ? u->sentinel_user : u->user;
    const char *password = sentinel ? u->sentinel_password : u->password;
    *g = (struct greeting){ .at = 0 };
    if (password) {
        step(g, 'A');
        if (user)
            WORDS_ADD(out, "AUTH", user, password);
        else
            WORDS_ADD(out, "AUTH", password);
    }
    if (u->database && !sentinel) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)u->database);
        step(g, 'S');
        WORDS_ADD(out, "SELECT", text);
    }
    step(g, 'N');
    WORDS_ADD(out, "CLIENT", "SETNAME", "evalx");
    step(g, 'P');
    WORDS_ADD(out, "PING");
    if (u->mode == URL_SENTINEL && !sentinel) {
        step(g, 'R');
        WORDS_ADD(out, "ROLE");
    }
}

static bool is_primary(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
           reply->element[0]->type == REDIS_REPLY_STRING &&
           strcmp(reply->element[0]->str, "master") == 0;
}

/* Not being let in is the operator's to mend; anything else may pass. */
static enum got denied(const redisReply *reply, const char *what, struct err *e)
{
    reply_err(reply, what, e);
    if (e->kind == ERR_SYSTEM)
        e->kind = ERR_INVALID;
    return GOT_FAILED;
}

enum got greeting_answer(struct greeting *g, const redisReply *reply, struct err *e)
{
    char what = g->steps[g->at++];
    bool failed = reply_is_error(reply);
    if (what == 'A' && failed)
        return denied(reply, "password", e);
    if (what == 'S' && failed)
        return denied(reply, "database", e);
    /* A name is a courtesy; whether we are let in and the server is up shows here. */
    if (what == 'P' && failed && !reply_code_is(reply, "NOPERM"))
        return denied(reply, "PING", e);
    if (what == 'R' && failed)
        return denied(reply, "ROLE", e);
    if (what == 'R' && !is_primary(reply)) {
        err_set(e, ERR_UNAVAILABLE, "redis: the server is a replica");
        return GOT_FAILED;
    }
    return g->steps[g->at] ? GOT_NONE : GOT_ONE;
}
