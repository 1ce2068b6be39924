/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers against small servers of the test's own, on addresses of this machine. Names are
 * resolved by a function of the test, so that what a name means can change between two looks at it.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "drivers/web_internal.h"
#include "test.h"

/* ---- a server ---- */

/* Answers each request with a text, or with nothing and an open connection. */
struct server {
    int fd, port;
    const char *answer; /* NULL: none */
    atomic_int requests;
    char last[4096]; /* of the last request; read once requests went up */
    pthread_t thread;
    int held[64], held_count;
};

static void serve_one(struct server *s, int fd)
{
    size_t len = 0;
    ssize_t got;
    char text[sizeof s->last];
    while (len < sizeof text - 1 && (got = read(fd, text + len, sizeof text - 1 - len)) > 0) {
        len += (size_t)got;
        text[len] = '\0';
        const char *head = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        if (head && (!length || head + 4 + strtol(length + 15, NULL, 10) <= text + len))
            break;
    }
    if (!len) {
        close(fd);
        return;
    }
    memcpy(s->last, text, sizeof text);
    if (!s->answer)
        s->held[s->held_count++] = fd;
    atomic_fetch_add(&s->requests, 1);
    if (s->answer) {
        (void)!write(fd, s->answer, strlen(s->answer));
        close(fd);
    }
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;)
        serve_one(s, fd);
    return NULL;
}

static void server_start(struct server *s, const char *address, int port, const char *answer)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    socklen_t len = sizeof a;
    int on = 1;
    *s = (struct server){ .answer = answer };
    inet_pton(AF_INET, address, &a.sin_addr);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    getsockname(s->fd, (struct sockaddr *)&a, &len);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (int i = 0; i < s->held_count; i++)
        close(s->held[i]);
}

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/* ---- names ---- */

/* What a name means at each look; the last one stays. Static where threads are left behind in it.
 */
struct names {
    const char *looks[4][WEB_ADDRESSES + 1];
    atomic_int count;
    atomic_bool hang;
};

static int resolve(void *arg, UNUSED const char *host, struct sockaddr_storage *out, int max,
                   struct err *e)
{
    struct names *n = arg;
    int at = atomic_fetch_add(&n->count, 1), found = 0;
    at = MIN(at, (int)COUNT_OF(n->looks) - 1);
    while (atomic_load(&n->hang))
        usleep(1000);
    while (at > 0 && !n->looks[at][0])
        at--;
    for (; found < max && n->looks[at][found]; found++) {
        struct sockaddr_in *a = (struct sockaddr_in *)&out[found];
        out[found] = (struct sockaddr_storage){ 0 };
        a->sin_family = AF_INET;
        inet_pton(AF_INET, n->looks[at][found], &a->sin_addr);
    }
    return found ? found : (err_set(e, ERR_UNAVAILABLE, "no such name"), 0);
}

static struct web_guard *guard_with(struct names *names, const char *network)
{
    const char *const texts[] = { network, NULL };
    struct err e;
    struct web_guard *g = web_guard_new(texts, &e);
    assert_non_null(g);
    web_guard_resolve_with(g, resolve, names);
    return g;
}

/* ---- asking ---- */

struct outcome {
    bool over, ok;
    int status;
    struct err e;
    char body[128];
    int64_t retry_after_us;
    bool cut;
};

static void on_done(void *arg, const struct web_answer *a, const struct err *e)
{
    struct outcome *o = arg;
    assert_false(o->over);
    o->over = true;
    o->ok = !e;
    o->status = a->status;
    if (e)
        o->e = *e;
    o->cut = a->cut;
    o->retry_after_us = a->retry_after_us;
    snprintf(o->body, sizeof o->body, "%s", buf_str(&a->body).ptr);
}

static void run_until(struct web_pool *p, const bool *over)
{
    int64_t until = mono_us() + 20 * US_PER_S;
    while (!*over && mono_us() < until)
        web_pool_run(p, US_PER_S);
    assert_true(*over);
}

static struct outcome ask(const struct web_guard *g, const char *host, int port, int64_t timeout_us)
{
    char url[128];
    struct err e;
    struct outcome o = { 0 };
    struct web_pool *p = web_pool_new(&e);
    snprintf(url, sizeof url, "http://%s:%d/x", host, port);
    const struct web_request q = {
        .method = "POST", .url = url, .body = STR("{}"), .guard = g, .timeout_us = timeout_us
    };
    web_pool_send(p, &q, on_done, &o);
    assert_false(o.over); /* never inside send */
    run_until(p, &o.over);
    web_pool_free(p);
    return o;
}

TEST(a_request_is_sent_as_it_was_asked_for)
{
    struct server s;
    server_start(&s, "127.0.0.1", 0, ok);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/a?b=c#d", s.port);
    const char *const headers[] = { "Content-Type: text/x", "X-Y: z", NULL };
    const struct web_request q = {
        .method = "PUT",
        .url = url,
        .headers = headers,
        .body = STR("body"),
    };
    struct web_answer a = { 0 };
    struct err e;
    MUST(web_ask(&q, &a, &e));
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body.ptr, "hi");
    assert_false(a.cut);
    assert_int_equal(a.retry_after_us, -1);
    web_answer_done(&a);
    assert_memory_equal(s.last, "PUT /a?b=c HTTP/1.1\r\n", 21);
    assert_non_null(strstr(s.last, "\r\nContent-Type: text/x\r\n"));
    assert_non_null(strstr(s.last, "\r\nX-Y: z\r\n"));
    assert_non_null(strstr(s.last, "\r\nContent-Length: 4\r\n"));
    assert_non_null(strstr(s.last, "\r\n\r\nbody"));
    assert_null(strstr(s.last, "Expect:"));
    server_stop(&s);
}

TEST(what_is_more_than_asked_for_is_not_read)
{
    struct server s;
    server_start(&s, "127.0.0.1", 0,
                 "HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 10\r\n\r\n0123456789");
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", s.port);
    const struct web_request q = { .method = "GET", .url = url, .answer_max = 4 };
    struct web_answer a = { 0 };
    struct err e;
    MUST(web_ask(&q, &a, &e));
    assert_true(a.cut);
    assert_string_equal(a.body.ptr, "0123");
    assert_int_equal(a.status, 503);
    assert_int_equal(a.retry_after_us, 7 * US_PER_S);
    web_answer_done(&a);
    server_stop(&s);
}

TEST(the_head_that_counts_is_the_last_one)
{
    struct server s;
    server_start(&s, "127.0.0.1", 0,
                 "HTTP/1.1 103 Hints\r\nRetry-After: 9\r\n\r\nHTTP/1.1 204 Done\r\n\r\n");
    struct outcome o = ask(NULL, "127.0.0.1", s.port, 0);
    assert_true(o.ok);
    assert_int_equal(o.status, 204);
    assert_int_equal(o.retry_after_us, -1);
    server_stop(&s);

    server_start(&s, "127.0.0.1", 0, "HTTP/1.1 103 Hints\r\n\r\n"); /* and no other */
    o = ask(NULL, "127.0.0.1", s.port, 0);
    assert_false(o.ok);
    assert_int_equal(o.status, 0);
    server_stop(&s);
}

TEST(a_large_body_is_not_announced_and_waited_for)
{
    struct server s;
    server_start(&s, "127.0.0.1", 0, ok);
    char url[64];
    size_t len = 4 << 20;
    char *body = calloc(1, len);
    assert_non_null(body);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", s.port);
    const struct web_request q = { .method = "POST", .url = url, .body = { body, len } };
    struct web_answer a = { 0 };
    struct err e;
    (void)!web_ask(&q, &a, &e); /* this server closes before it has read all of it */
    assert_memory_equal(s.last, "POST / HTTP/1.1\r\n", 17);
    assert_null(strstr(s.last, "Expect:"));
    web_answer_done(&a);
    free(body);
    server_stop(&s);
}

/* ---- what a name means ---- */

TEST(a_name_is_resolved_once_and_what_was_looked_at_is_connected_to)
{
    struct server allowed, other;
    struct names names = { .looks = { { "127.0.0.2" }, { "127.0.0.1" } } };
    CLEANUP(web_guard_free) struct web_guard *g = guard_with(&names, "127.0.0.2");
    server_start(&allowed, "127.0.0.2", 0, ok);
    server_start(&other, "127.0.0.1", allowed.port, ok);

    struct outcome first = ask(g, "receiver.example", allowed.port, 0);
    if (!first.ok)
        fail_msg("%s", first.e.text);
    assert_int_equal(atomic_load(&names.count), 1); /* by us, and by nobody behind us */
    assert_non_null(strstr(allowed.last, "\r\nHost: receiver.example:"));

    struct outcome second = ask(g, "receiver.example", allowed.port, 0); /* it changed its mind */
    assert_false(second.ok);
    assert_int_equal(second.e.kind, ERR_INVALID);
    assert_non_null(strstr(second.e.text, "127.0.0.1"));
    assert_int_equal(atomic_load(&names.count), 2);
    assert_int_equal(atomic_load(&allowed.requests), 1);
    assert_int_equal(atomic_load(&other.requests), 0);
    server_stop(&allowed);
    server_stop(&other);
}

TEST(a_kept_connection_is_not_used_for_a_name_that_moved)
{
    struct server here;
    struct names names = { .looks = { { "127.0.0.2" }, { "127.0.0.3" } } };
    CLEANUP(web_guard_free) struct web_guard *g = guard_with(&names, "127.0.0.2");
    server_start(&here, "127.0.0.2", 0, NULL);
    char url[64];
    struct err e;
    struct web_pool *p = web_pool_new(&e);
    snprintf(url, sizeof url, "http://receiver.example:%d/", here.port);
    const struct web_request q = { .method = "GET", .url = url, .guard = g };
    struct outcome first = { 0 }, second = { 0 };
    web_pool_send(p, &q, on_done, &first);
    while (!atomic_load(&here.requests))
        web_pool_run(p, 10 * US_PER_MS);
    (void)!write(here.held[0], ok, strlen(ok)); /* answered, and left open */
    run_until(p, &first.over);
    assert_true(first.ok);
    web_pool_send(p, &q, on_done, &second);
    run_until(p, &second.over);
    assert_false(second.ok);
    assert_non_null(strstr(second.e.text, "127.0.0.3"));
    web_pool_free(p);
    server_stop(&here);
}

TEST(addresses_that_are_refused_are_left_out_and_the_next_one_is_tried)
{
    struct server good, bad;
    /* refused by the guard; allowed, but nobody listens; good */
    struct names names = { .looks = { { "127.0.0.1", "127.0.1.1", "127.0.1.2" } } };
    CLEANUP(web_guard_free) struct web_guard *g = guard_with(&names, "127.0.1.0/24");
    server_start(&good, "127.0.1.2", 0, ok);
    server_start(&bad, "127.0.0.1", good.port, ok);
    struct outcome o = ask(g, "receiver.example", good.port, 0);
    assert_true(o.ok);
    assert_int_equal(atomic_load(&good.requests), 1);
    assert_int_equal(atomic_load(&bad.requests), 0);
    server_stop(&good);
    server_stop(&bad);
}

TEST(a_name_without_an_address_says_so)
{
    struct names names = { 0 };
    CLEANUP(web_guard_free) struct web_guard *g = guard_with(&names, NULL);
    struct outcome o = ask(g, "receiver.example", 80, 0);
    assert_int_equal(o.e.kind, ERR_UNAVAILABLE);
    assert_string_equal(o.e.text, "no such name");
}

TEST(without_a_guard_any_address_may_be_asked)
{
    struct server s;
    server_start(&s, "127.0.0.1", 0, ok);
    assert_true(ask(NULL, "127.0.0.1", s.port, 0).ok);
    server_stop(&s);
}

TEST(an_address_in_the_url_is_looked_at_too)
{
    struct server s;
    struct names names = { 0 };
    CLEANUP(web_guard_free) struct web_guard *g = guard_with(&names, "127.0.0.2");
    server_start(&s, "127.0.0.1", 0, ok);
    static const char *const spellings[] = { "127.0.0.1", "0x7f.1", "2130706433",
                                             "[::ffff:127.0.0.1]" };
    for (size_t i = 0; i < COUNT_OF(spellings); i++)
        assert_int_equal(ask(g, spellings[i], s.port, 0).e.kind, ERR_INVALID);
    assert_int_equal(atomic_load(&s.requests), 0);
    assert_int_equal(atomic_load(&names.count), 0);
    server_stop(&s);
}

/* ---- time ---- */

TEST(silent_name_servers_hold_nobody_up)
{
    struct server s;
    static struct names silent = { .looks = { { "127.0.0.1" } }, .hang = true };
    struct names quick = { .looks = { { "127.0.0.1" } } };
    CLEANUP(web_guard_free) struct web_guard *slow = guard_with(&silent, "127.0.0.1");
    CLEANUP(web_guard_free) struct web_guard *g = guard_with(&quick, "127.0.0.1");
    server_start(&s, "127.0.0.1", 0, ok);
    char url[64];
    struct err e;
    struct outcome stuck[8] = { 0 }, good = { 0 };
    struct web_pool *p = web_pool_new(&e);
    snprintf(url, sizeof url, "http://receiver.example:%d/", s.port);
    struct web_request q = { .method = "GET", .url = url, .guard = slow, .timeout_us = US_PER_S };
    for (size_t i = 0; i < COUNT_OF(stuck); i++)
        web_pool_send(p, &q, on_done, &stuck[i]);
    q.guard = g;
    web_pool_send(p, &q, on_done, &good);
    run_until(p, &good.over);
    assert_true(good.ok);
    for (size_t i = 0; i < COUNT_OF(stuck); i++)
        assert_false(stuck[i].over);
    for (size_t i = 0; i < COUNT_OF(stuck); i++)
        run_until(p, &stuck[i].over);
    assert_non_null(strstr(stuck[0].e.text, "not resolved within 1 s"));
    web_pool_free(p); /* does not wait for the name servers */
    atomic_store(&silent.hang, false);
    server_stop(&s);
}

TEST(a_silent_receiver_ends_at_its_time)
{
    struct server s;
    server_start(&s, "127.0.0.1", 0, NULL);
    int64_t start = mono_us();
    struct outcome o = ask(NULL, "127.0.0.1", s.port, 200 * US_PER_MS);
    assert_int_equal(o.e.kind, ERR_UNAVAILABLE);
    assert_string_equal(o.e.text, "no answer within 0.2 s");
    assert_true(mono_us() - start < 5 * US_PER_S);
    server_stop(&s);
}

static void *wake_later(void *pool)
{
    usleep(50000);
    web_pool_wake(pool);
    return NULL;
}

TEST(a_pool_is_woken_from_another_thread)
{
    struct err e;
    pthread_t thread;
    struct web_pool *p = web_pool_new(&e);
    int64_t start = mono_us();
    assert_int_equal(pthread_create(&thread, NULL, wake_later, p), 0);
    web_pool_run(p, 60 * US_PER_S);
    assert_true(mono_us() - start < 30 * US_PER_S);
    pthread_join(thread, NULL);
    web_pool_wake(p); /* before it waits: the next wait ends at once */
    start = mono_us();
    web_pool_run(p, 60 * US_PER_S);
    assert_true(mono_us() - start < 30 * US_PER_S);
    web_pool_free(p);
}

TEST(what_is_under_way_ends_with_the_pool_without_a_call)
{
    struct server s;
    static struct names silent = { .looks = { { "127.0.0.1" } }, .hang = true };
    CLEANUP(web_guard_free) struct web_guard *g = guard_with(&silent, "127.0.0.1");
    server_start(&s, "127.0.0.1", 0, NULL);
    char url[64], name[64];
    struct err e;
    struct outcome o[3] = { 0 };
    struct web_pool *p = web_pool_new(&e);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", s.port);
    snprintf(name, sizeof name, "http://receiver.example:%d/", s.port);
    const struct web_request q = { .method = "GET", .url = url };
    const struct web_request named = { .method = "GET", .url = name, .guard = g };
    web_pool_send(p, &q, on_done, &o[0]);
    web_pool_send(p, &named, on_done, &o[1]);
    while (!atomic_load(&s.requests))
        web_pool_run(p, 10 * US_PER_MS);
    web_pool_send(p, &q, on_done, &o[2]);
    web_pool_free(p);
    assert_false(o[0].over || o[1].over || o[2].over);
    atomic_store(&silent.hang, false);
    server_stop(&s);
}

TEST(a_url_that_is_none_is_an_error_from_the_run)
{
    struct err e;
    struct outcome o = { 0 };
    struct web_pool *p = web_pool_new(&e);
    web_pool_send(p, &(struct web_request){ .method = "GET", .url = "ftp://x/" }, on_done, &o);
    assert_false(o.over);
    run_until(p, &o.over);
    assert_int_equal(o.e.kind, ERR_INVALID);
    web_pool_free(p);
}

RUN_TESTS(T(a_request_is_sent_as_it_was_asked_for), T(what_is_more_than_asked_for_is_not_read),
          T(the_head_that_counts_is_the_last_one), T(a_large_body_is_not_announced_and_waited_for),
          T(a_name_is_resolved_once_and_what_was_looked_at_is_connected_to),
          T(a_kept_connection_is_not_used_for_a_name_that_moved),
          T(addresses_that_are_refused_are_left_out_and_the_next_one_is_tried),
          T(a_name_without_an_address_says_so), T(without_a_guard_any_address_may_be_asked),
          T(an_address_in_the_url_is_looked_at_too), T(silent_name_servers_hold_nobody_up),
          T(a_silent_receiver_ends_at_its_time), T(a_pool_is_woken_from_another_thread),
          T(what_is_under_way_ends_with_the_pool_without_a_call),
          T(a_url_that_is_none_is_an_error_from_the_run))
