/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - an HTTP client that is no bottleneck: one thread, plain sockets, keep-alive.
 *
 *   load [-c CONNECTIONS] [-n REQUESTS | -s SECONDS] [-b BODY_FILE] [-e STATUS] [-m TEXT] HOST:PORT
 * PATH
 *
 * Sends the same request over and over, one at a time on each connection: POST with a JSON body
 * when there is -b, else GET. An answer counts as wrong when its status is not STATUS (200) or its
 * body does not hold TEXT. The first tenth warms up and is not counted. Prints one JSON object; the
 * first wrong answer goes to standard error, and the exit status is 1 when there was any.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "figures.h"

enum { BODY_MAX = 64 << 20 };

struct conn {
    int fd;
    size_t sent;      /* bytes of the request that are out */
    bool full;        /* the socket took no more: epoll tells when it does */
    struct buf in;    /* the answer so far */
    int64_t start_us; /* when the request began; 0: idle */
};

struct load {
    struct sockaddr_in to;
    struct buf request;
    int64_t connections, requests, seconds, status;
    const char *must_hold; /* or NULL */

    int epoll;
    struct conn *conns;
    int64_t begun, ended, wrong;
    int64_t warm_until, stop_at; /* with -s: times; with -n: unused */
    int64_t first_us, last_us;   /* of what is counted */
    struct figures times;
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(struct load *l, struct conn *c, int op, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = c };

    if (epoll_ctl(l->epoll, op, c->fd, &ev) < 0)
        give_up("epoll_ctl");
}

static void conn_open(struct load *l, struct conn *c)
{
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        give_up("socket");
    if (connect(c->fd, (struct sockaddr *)&l->to, sizeof(l->to)) < 0)
        give_up("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        give_up("fcntl");
    watch(l, c, EPOLL_CTL_ADD, EPOLLIN);
}

/* Whether another request may begin. */
static bool more_to_do(const struct load *l)
{
    return l->seconds ? mono_us() < l->stop_at : l->begun < l->requests + l->requests / 10;
}

static bool is_warm(const struct load *l, int64_t start_us)
{
    return l->seconds ? start_us >= l->warm_until : l->ended > l->requests / 10;
}

static void conn_send(struct load *l, struct conn *c)
{
    while (c->sent < l->request.len) {
        ssize_t n = send(c->fd, l->request.ptr + c->sent, l->request.len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            c->full = true;
            watch(l, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0)
            give_up("send");
        c->sent += (size_t)n;
    }
    if (c->full)
        watch(l, c, EPOLL_CTL_MOD, EPOLLIN);
    c->full = false;
}

static void conn_begin(struct load *l, struct conn *c)
{
    l->begun++;
    c->sent = 0;
    c->start_us = mono_us();
    buf_reset(&c->in);
    conn_send(l, c);
}

/* Value of a header in the head of an answer, or NULL. */
static const char *header(const struct buf *in, const char *end, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = in->ptr; line < end; line++) {
        if (!strncasecmp(line, name, len))
            return line + len;
        line = memchr(line, '\n', (size_t)(end - line));
        if (!line)
            break;
    }
    return NULL;
}

/* Where the answer's body starts when all of it has come, else NULL. */
static const char *whole_answer(const struct buf *in)
{
    const char *end = in->len ? memmem(in->ptr, in->len, "\r\n\r\n", 4) : NULL;
    const char *length = end ? header(in, end, "content-length:") : NULL;

    if (!end)
        return NULL;
    if (!length) {
        fprintf(stderr, "load: an answer without Content-Length\n");
        exit(1);
    }
    end += 4;
    return in->len - (size_t)(end - in->ptr) >= strtoul(length, NULL, 10) ? end : NULL;
}

static bool answer_is_right(const struct load *l, const struct buf *in, const char *body)
{
    size_t len = in->len - (size_t)(body - in->ptr);

    if (in->len < 12 || strtol(in->ptr + 9, NULL, 10) != l->status)
        return false;
    return !l->must_hold || memmem(body, len, l->must_hold, strlen(l->must_hold));
}

static void conn_end(struct load *l, struct conn *c, const char *body)
{
    int64_t now = mono_us();

    l->ended++;
    if (!answer_is_right(l, &c->in, body) && !l->wrong++)
        fprintf(stderr, "load: a wrong answer: %.*s\n", (int)MIN(c->in.len, 2000), c->in.ptr);
    if (is_warm(l, c->start_us)) {
        if (!l->first_us)
            l->first_us = c->start_us;
        l->last_us = now;
        figures_add(&l->times, now - c->start_us);
    }
    c->start_us = 0;
}

/* The server closed the connection: between two answers that is its right. */
static void conn_again(struct load *l, struct conn *c)
{
    if (c->start_us && c->in.len) {
        fprintf(stderr, "load: the connection broke inside an answer\n");
        exit(1);
    }
    close(c->fd);
    conn_open(l, c);
    c->full = false;
    if (c->start_us) {
        c->sent = 0;
        conn_send(l, c);
    }
}

static void conn_read(struct load *l, struct conn *c)
{
    const char *body;

    for (;;) {
        char *room = buf_reserve(&c->in, 16384);
        ssize_t n = recv(c->fd, room, 16384, 0);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            conn_again(l, c);
            return;
        }
        c->in.len += (size_t)n;
        c->in.ptr[c->in.len] = 0;
        if (n < 16384)
            break;
    }
    body = whole_answer(&c->in);
    if (!body)
        return;
    conn_end(l, c, body);
    if (more_to_do(l))
        conn_begin(l, c);
}

static void load_run(struct load *l)
{
    struct epoll_event events[64];

    l->warm_until = mono_us() + l->seconds * US_PER_S / 10;
    l->stop_at = l->warm_until + l->seconds * US_PER_S;
    for (int64_t i = 0; i < l->connections; i++)
        conn_open(l, &l->conns[i]);
    for (int64_t i = 0; i < l->connections && more_to_do(l); i++)
        conn_begin(l, &l->conns[i]);

    while (l->ended < l->begun) {
        int count = epoll_wait(l->epoll, events, COUNT_OF(events), 60000);
        if (count == 0) {
            fprintf(stderr, "load: no answer within 60 s\n");
            exit(1);
        }
        for (int i = 0; i < count; i++) {
            struct conn *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                conn_send(l, c);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                conn_read(l, c);
        }
    }
}

static void load_print(struct load *l)
{
    double seconds = (double)(l->last_us - l->first_us) / 1e6;

    figures_sort(&l->times);
    printf("{\"requests\":%zu,\"wrong\":%lld,\"seconds\":%.3f,\"per_second\":%.1f,", l->times.count,
           (long long)l->wrong, seconds, seconds > 0 ? (double)l->times.count / seconds : 0.0);
    figures_print(&l->times);
    printf("}\n");
}

static void request_make(struct load *l, const char *host, const char *path, const char *body_file)
{
    CLEANUP(buf_done) struct buf body = { 0 };
    struct err e = { 0 };

    if (body_file && !file_read(AT_FDCWD, body_file, BODY_MAX, &body, &e)) {
        fprintf(stderr, "load: %s\n", e.text);
        exit(1);
    }
    buf_addf(&l->request, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n",
             body_file ? "POST" : "GET", path, host);
    if (body_file)
        buf_addf(&l->request, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                 body.len);
    buf_add_text(&l->request, "\r\n");
    buf_add_str(&l->request, buf_str(&body));
}

static void address_parse(struct load *l, const char *host)
{
    const char *colon = strrchr(host, ':');
    char ip[INET_ADDRSTRLEN];
    int64_t port;

    snprintf(ip, sizeof(ip), "%.*s", colon ? (int)(colon - host) : 0, host);
    l->to.sin_family = AF_INET;
    if (!colon || !parse_int(str_of(colon + 1), &port) || port < 1 || port > 65535 ||
        inet_pton(AF_INET, ip, &l->to.sin_addr) != 1) {
        fprintf(stderr, "load: not an IPv4 address with a port: %s\n", host);
        exit(2);
    }
    l->to.sin_port = htons((uint16_t)port);
}

static int64_t number(const char *text)
{
    int64_t value;

    if (!parse_int(str_of(text), &value) || value <= 0) {
        fprintf(stderr, "load: not a positive number: %s\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    struct load l = { .connections = 1, .requests = 1000, .status = 200 };
    const char *body_file = NULL;

    for (int c; (c = getopt(argc, argv, "c:n:s:b:e:m:")) != -1;) {
        switch (c) {
        case 'c':
            l.connections = number(optarg);
            break;
        case 'n':
            l.requests = number(optarg);
            break;
        case 's':
            l.seconds = number(optarg);
            break;
        case 'b':
            body_file = optarg;
            break;
        case 'e':
            l.status = number(optarg);
            break;
        case 'm':
            l.must_hold = optarg;
            break;
        default:
            return 2;
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr, "usage: load [-c CONNECTIONS] [-n REQUESTS | -s SECONDS] [-b BODY_FILE] "
                        "[-e STATUS] [-m TEXT] HOST:PORT PATH\n");
        return 2;
    }
    address_parse(&l, argv[optind]);
    request_make(&l, argv[optind], argv[optind + 1], body_file);

    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.conns = calloc((size_t)l.connections, sizeof(*l.conns));
    if (l.epoll < 0 || !l.conns)
        give_up("start");
    load_run(&l);
    load_print(&l);

    for (int64_t i = 0; i < l.connections; i++) {
        close(l.conns[i].fd);
        buf_done(&l.conns[i].in);
    }
    free(l.conns);
    buf_done(&l.request);
    figures_done(&l.times);
    return l.wrong ? 1 : 0;
}
