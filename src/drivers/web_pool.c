/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many transfers at one time over curl_multi, driven by one thread.
 *
 *   send     the request is copied and its URL read; a name goes to the resolver
 *   found    (a thread of the resolver) addresses are put down, the pool is woken
 *   start    addresses the guard refuses are dropped, the first of the others is pinned
 *   run      curl goes on; when connecting fails and there is another address, that one is tried
 *   finish   the answer is handed over
 *
 * Pinned means CURLOPT_CONNECT_TO with the address itself: no name reaches curl's own resolver, and
 * a kept connection is used again only for the address that was looked at this time. Two more
 * checks stand behind it, on the address of each socket before it is connected and on the one a
 * connection has before the request goes out.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>

#include "base/arena.h"
#include "base/clock.h"
#include "drivers/web_internal.h"

enum {
    HEAD_BYTES_MOST = 64 * 1024, /* of an answer, interim ones included */
    ANSWER_BYTES = 64 * 1024,
    KEPT_CONNECTIONS = 64,
    KEPT_S = 30,
    KEPT_S_MOST = 120,
    CONNECT_MS_LEAST = 1000, /* for an address that is not the last */
};
#define TIMEOUT_US (10 * US_PER_S)

struct transfer {
    struct transfer *next, **link; /* of the pool's list */
    struct web_pool *pool;
    struct arena arena;
    struct web_request request; /* texts in the arena */
    struct buf body;
    struct web_target target;
    struct web_lookup *lookup; /* the resolver's to write */
    int64_t began_us, deadline_us;
    web_done_fn done;
    void *arg;

    /* under the pool's lock */
    struct transfer *next_ready;
    bool is_ready;

    /* written before it is put on the ready list */
    struct sockaddr_storage addresses[WEB_ADDRESSES];
    int count;
    struct err why; /* kind ERR_NONE: none so far */

    int at; /* the address in use */
    CURL *easy;
    bool running; /* curl has it */
    struct curl_slist *headers, *connect_to;
    char curl_error[CURL_ERROR_SIZE];
    size_t head_bytes;
    struct web_answer answer;
};

struct web_pool {
    CURLM *multi;
    struct web_resolver *resolver;
    struct transfer *transfers;
    bool called; /* done was, in this web_pool_run() */
    atomic_bool woken;

    pthread_mutex_t lock;
    /* under lock */
    struct transfer *ready;
};

void web_answer_done(struct web_answer *a)
{
    buf_done(&a->body);
}

/* ---- a transfer ---- */

static void transfer_free(struct transfer *t)
{
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    if (t->running)
        curl_multi_remove_handle(t->pool->multi, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    web_target_done(&t->target);
    web_answer_done(&t->answer);
    buf_done(&t->body);
    arena_done(&t->arena);
    free(t);
}

static void finish(struct transfer *t)
{
    t->pool->called = true;
    t->answer.took_us = mono_us() - t->began_us;
    t->done(t->arg, &t->answer, t->why.kind ? &t->why : NULL);
    transfer_free(t);
}

static const struct sockaddr *address_at(const struct transfer *t, int i)
{
    return (const struct sockaddr *)&t->addresses[i];
}

static bool guard_passes(struct transfer *t, const struct sockaddr *address)
{
    return !t->request.guard || web_guard_allows(t->request.guard, address, &t->why);
}

/* ---- what curl asks of us ---- */

static curl_socket_t on_socket(void *arg, UNUSED curlsocktype purpose, struct curl_sockaddr *a)
{
    struct transfer *t = arg;
    if (!guard_passes(t, &a->addr))
        return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static int on_request(void *arg, char *address, UNUSED char *own, UNUSED int port,
                      UNUSED int own_port)
{
    struct transfer *t = arg;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer = { 0 };
    if (inet_pton(AF_INET, address, &peer.v4.sin_addr) == 1)
        peer.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, address, &peer.v6.sin6_addr) == 1)
        peer.any.sa_family = AF_INET6;
    return guard_passes(t, &peer.any) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static void take_header(struct transfer *t, struct str line)
{
    static const char name[] = "retry-after:";
    size_t len = sizeof name - 1;
    if (line.len > len && strncasecmp(line.ptr, name, len) == 0)
        t->answer.retry_after_us =
            web_retry_after((struct str){ line.ptr + len, line.len - len }, wall_us());
}

/* One line of the head; an interim answer (1xx) has a head of its own before the real one. */
static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct str line = { bytes, size * count };
    t->head_bytes += line.len;
    if (t->head_bytes > HEAD_BYTES_MOST) {
        err_set(&t->why, ERR_UNAVAILABLE, "the head of the answer is larger than %d bytes",
                HEAD_BYTES_MOST);
        return 0;
    }
    if (str_starts(line, "HTTP/"))
        t->answer.retry_after_us = -1;
    take_header(t, line);
    if (line.len <= 2) { /* the end of the head */
        long status = 0;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        t->answer.status = status >= 200 ? (int)status : 0;
    }
    return line.len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count, room = t->request.answer_max - t->answer.body.len;
    buf_add(&t->answer.body, bytes, MIN(len, room));
    t->answer.cut = len > room;
    return t->answer.cut ? 0 : len; /* 0: enough of it */
}

/* ---- starting ---- */

static void set_safety(CURL *c, struct transfer *t)
{
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(c, CURLOPT_PROXY, ""); /* the environment's neither */
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, (long)KEPT_S);
    curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN, (long)KEPT_S_MOST);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_request);
    curl_easy_setopt(c, CURLOPT_PREREQDATA, t);
    if (t->request.ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, t->request.ca_file);
}

static void set_request(CURL *c, struct transfer *t)
{
    const struct web_request *q = &t->request;
    curl_easy_setopt(c, CURLOPT_CURLU, t->target.url);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "evalx/" EVALX_VERSION);
    if (q->body.ptr || strcmp(q->method, "POST") == 0 || strcmp(q->method, "PUT") == 0) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, buf_str(&t->body).ptr);
    }
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
    t->headers = curl_slist_append(NULL, "Expect:");
    for (const char *const *h = q->headers; h && *h; h++)
        t->headers = curl_slist_append(t->headers, *h);
    CHECK(t->headers);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
}

static void set_answer(CURL *c, struct transfer *t)
{
    curl_easy_setopt(c, CURLOPT_PRIVATE, t);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->curl_error);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
}

/* The address to connect to, and the time that is left for it. */
static void set_address(struct transfer *t, int64_t now)
{
    char text[INET6_ADDRSTRLEN], entry[WEB_HOST];
    const struct sockaddr_storage *a = &t->addresses[t->at];
    bool v6 = a->ss_family == AF_INET6;
    inet_ntop(a->ss_family,
              v6 ? (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr
                 : (const void *)&((const struct sockaddr_in *)a)->sin_addr,
              text, sizeof text);
    snprintf(entry, sizeof entry, v6 ? "::[%s]:%d" : "::%s:%d", text, t->target.port);
    curl_slist_free_all(t->connect_to);
    t->connect_to = curl_slist_append(NULL, entry);
    CHECK(t->connect_to);
    curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);

    long left_ms = (long)MAX((t->deadline_us - now) / US_PER_MS, 1);
    long connect_ms = left_ms / (t->count - t->at);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, left_ms);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     MIN(MAX(connect_ms, CONNECT_MS_LEAST), left_ms));
}

static void give_to_curl(struct transfer *t, int64_t now)
{
    t->why = (struct err){ 0 };
    t->curl_error[0] = '\0';
    set_address(t, now);
    CHECK(curl_multi_add_handle(t->pool->multi, t->easy) == CURLM_OK);
    t->running = true;
}

/* Those the guard refuses go; when none is left, t->why says why. */
static void keep_allowed(struct transfer *t)
{
    int kept = 0;
    for (int i = 0; i < t->count; i++)
        if (guard_passes(t, address_at(t, i)))
            t->addresses[kept++] = t->addresses[i];
    t->count = kept;
}

static void unresolved(struct transfer *t)
{
    err_set(&t->why, ERR_UNAVAILABLE, "the name %.100s was not resolved within %g s",
            t->target.host, (double)(t->deadline_us - t->began_us) / 1e6);
    finish(t);
}

static void start(struct transfer *t, int64_t now)
{
    if (t->why.kind) {
        finish(t);
        return;
    }
    keep_allowed(t);
    if (t->count == 0) {
        finish(t);
        return;
    }
    if (now >= t->deadline_us) {
        unresolved(t);
        return;
    }
    t->easy = curl_easy_init();
    CHECK(t->easy);
    set_safety(t->easy, t);
    set_request(t->easy, t);
    set_answer(t->easy, t);
    give_to_curl(t, now);
}

/* ---- sending ---- */

static void make_ready(struct transfer *t)
{
    struct web_pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    t->next_ready = p->ready;
    t->is_ready = true;
    p->ready = t;
    pthread_mutex_unlock(&p->lock);
}

static void on_found(void *arg, const struct sockaddr_storage *addresses, int count,
                     const struct err *e)
{
    struct transfer *t = arg;
    struct web_pool *p = t->pool;
    memcpy(t->addresses, addresses, (size_t)count * sizeof *addresses);
    t->count = count;
    if (count == 0)
        t->why = *e;
    make_ready(t);
    curl_multi_wakeup(p->multi);
}

static void copy_request(struct transfer *t, const struct web_request *q)
{
    size_t count = 0;
    while (q->headers && q->headers[count])
        count++;
    const char **headers = arena_array(&t->arena, count + 1, sizeof *headers);
    for (size_t i = 0; i < count; i++)
        headers[i] = arena_text(&t->arena, q->headers[i]);
    t->request = *q;
    t->request.method = arena_text(&t->arena, q->method);
    t->request.url = NULL; /* in target */
    t->request.headers = headers;
    t->request.ca_file = arena_text(&t->arena, q->ca_file);
    if (!q->answer_max)
        t->request.answer_max = ANSWER_BYTES;
    buf_add_str(&t->body, q->body);
}

void web_pool_send(struct web_pool *p, const struct web_request *request, web_done_fn done,
                   void *arg)
{
    struct transfer *t = calloc(1, sizeof *t);
    CHECK(t);
    t->pool = p;
    t->done = done;
    t->arg = arg;
    t->answer.retry_after_us = -1;
    t->began_us = mono_us();
    t->deadline_us = t->began_us + (request->timeout_us > 0 ? request->timeout_us : TIMEOUT_US);
    copy_request(t, request);
    t->next = p->transfers;
    t->link = &p->transfers;
    if (t->next)
        t->next->link = &t->next;
    p->transfers = t;

    if (!web_target_read(request->url, &t->target, &t->why)) {
        make_ready(t);
    } else if (t->target.literal) {
        t->addresses[0] = t->target.address;
        t->count = 1;
        make_ready(t);
    } else {
        void *resolve_arg;
        web_resolve_fn resolve = web_guard_resolver(request->guard, &resolve_arg);
        web_resolver_find(p->resolver, t->target.host, resolve, resolve_arg, on_found, t,
                          &t->lookup);
    }
}

/* ---- going on ---- */

static bool connected(const struct transfer *t)
{
    curl_off_t us = 0;
    curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &us);
    return us > 0;
}

/* Nothing was sent, another address is there and so is time. */
static bool try_next_address(struct transfer *t, CURLcode code)
{
    int64_t now = mono_us();
    bool unreached = code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT;
    if (!unreached || connected(t) || t->at + 1 >= t->count || now >= t->deadline_us)
        return false;
    t->at++;
    give_to_curl(t, now);
    return true;
}

/* Why curl gave up, in t->why, when nobody of ours has said so already. */
static void say_why(struct transfer *t, CURLcode code)
{
    double seconds = (double)(t->deadline_us - t->began_us) / 1e6;
    const char *text = t->curl_error[0] ? t->curl_error : curl_easy_strerror(code);
    if (t->why.kind)
        return;
    if (code == CURLE_OPERATION_TIMEDOUT)
        err_set(&t->why, ERR_UNAVAILABLE, "no %s within %g s",
                !connected(t)      ? "connection"
                : t->answer.status ? "end of the answer"
                                   : "answer",
                seconds);
    else
        err_set(&t->why, ERR_UNAVAILABLE, "%s", text);
}

static void ended(struct transfer *t, CURLcode code)
{
    curl_multi_remove_handle(t->pool->multi, t->easy);
    t->running = false;
    if (code == CURLE_OK || t->answer.cut) {
        t->why = (struct err){ 0 };
        if (!t->answer.status)
            err_set(&t->why, ERR_UNAVAILABLE, "no HTTP answer came");
        finish(t);
    } else if (t->why.kind || !try_next_address(t, code)) {
        say_why(t, code);
        finish(t);
    }
}

static void read_ended(struct web_pool *p)
{
    int left;
    const CURLMsg *m;
    while ((m = curl_multi_info_read(p->multi, &left))) {
        struct transfer *t = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        ended(t, code);
    }
}

static void start_ready(struct web_pool *p)
{
    pthread_mutex_lock(&p->lock);
    struct transfer *t = TAKE(p->ready);
    pthread_mutex_unlock(&p->lock);
    int64_t now = mono_us();
    for (struct transfer *next; t; t = next) {
        next = t->next_ready;
        start(t, now);
    }
}

/* Names that were not found in time. Returns when the next one is due. */
static int64_t end_unresolved(struct web_pool *p, int64_t now)
{
    int64_t nearest = INT64_MAX;
    for (struct transfer *t = p->transfers, *next; t; t = next) {
        next = t->next;
        if (t->easy)
            continue;
        if (now < t->deadline_us) {
            nearest = MIN(nearest, t->deadline_us);
            continue;
        }
        web_resolver_forget(p->resolver, &t->lookup);
        pthread_mutex_lock(&p->lock);
        bool found = t->is_ready; /* just now: it is started, or not, in its turn */
        pthread_mutex_unlock(&p->lock);
        if (!found)
            unresolved(t);
    }
    return nearest;
}

static int64_t step(struct web_pool *p)
{
    int running;
    start_ready(p);
    curl_multi_perform(p->multi, &running);
    read_ended(p);
    return end_unresolved(p, mono_us());
}

void web_pool_run(struct web_pool *p, int64_t wait_us)
{
    int64_t until = mono_us() + wait_us;
    p->called = false;
    for (;;) {
        int64_t nearest = step(p);
        int64_t left = MIN(until, nearest) - mono_us();
        if (atomic_exchange(&p->woken, false) || p->called || mono_us() >= until)
            return;
        int64_t ms = MIN(MAX((left + US_PER_MS - 1) / US_PER_MS, 0), INT32_MAX);
        curl_multi_poll(p->multi, NULL, 0, (int)ms, NULL);
    }
}

void web_pool_wake(struct web_pool *p)
{
    if (!atomic_exchange(&p->woken, true))
        curl_multi_wakeup(p->multi);
}

/* ---- the pool ---- */

static void start_library(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

struct web_pool *web_pool_new(struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_library);
    struct web_pool *p = calloc(1, sizeof *p);
    CHECK(p);
    p->multi = curl_multi_init();
    if (!p->multi) {
        free(p);
        err_set(e, ERR_SYSTEM, "libcurl has no room for transfers");
        return NULL;
    }
    curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
    curl_multi_setopt(p->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    pthread_mutex_init(&p->lock, NULL);
    p->resolver = web_resolver_new();
    return p;
}

void web_pool_free(struct web_pool *p)
{
    if (!p)
        return;
    for (struct transfer *t = p->transfers; t; t = t->next)
        web_resolver_forget(p->resolver, &t->lookup);
    for (struct transfer *t = p->transfers, *next; t; t = next) {
        next = t->next;
        transfer_free(t);
    }
    web_resolver_free(p->resolver);
    curl_multi_cleanup(p->multi);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- one alone ---- */

struct asking {
    struct web_answer *answer;
    struct err *e;
    bool over, ok;
};

static void on_asked(void *arg, const struct web_answer *a, const struct err *e)
{
    struct asking *x = arg;
    x->over = true;
    x->ok = !e;
    if (e) {
        *x->e = *e;
        return;
    }
    *x->answer = *a;
    x->answer->body = (struct buf){ 0 };
    buf_add_str(&x->answer->body, buf_str(&a->body));
}

bool web_ask(const struct web_request *request, struct web_answer *ret, struct err *e)
{
    struct web_pool *p = web_pool_new(e);
    if (!p)
        return false;
    struct asking x = { .answer = ret, .e = e };
    web_pool_send(p, request, on_asked, &x);
    while (!x.over)
        web_pool_run(p, INT64_C(3600) * US_PER_S);
    web_pool_free(p);
    return x.ok;
}
