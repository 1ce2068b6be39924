/* SPDX-License-Identifier: Apache-2.0 */
/* TLS to a real server, with certificates made for the test. */
#include "../unit/test.h"

#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "../redis_world.h"
#include "base/buf.h"
#include "base/clock.h"
#include "drivers/redis.h"

static char folder[64];
static struct redis_server server;

static void run(const char *script)
{
    extern char **environ;
    pid_t pid;
    int status = -1;
    char *argv[] = { (char[]){ "sh" }, (char[]){ "-ec" }, strdup(script), folder, NULL };
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0)
        abort();
    free(argv[2]);
}

/* An authority, a server's and a client's certificate by it, and an authority nobody knows. */
static int start(UNUSED void **state)
{
    char more[600];
    snprintf(folder, sizeof folder, "/tmp/evalx-tls-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    run("cd $0; exec 2>log; new='openssl req -nodes -newkey ec -pkeyopt "
        "ec_paramgen_curve:prime256v1'\n"
        "for ca in ca other; do $new -x509 -days 30 -subj /CN=$ca -keyout $ca.key -out $ca.crt\n"
        "done\n"
        "for who in server client; do\n"
        "  $new -subj /CN=$who -keyout $who.key -out $who.csr\n"
        "  echo subjectAltName=IP:127.0.0.1,DNS:redis.test >$who.ext\n"
        "  openssl x509 -req -days 30 -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial \\\n"
        "    -extfile $who.ext -out $who.crt\n"
        "done\n");
    server.port = -1;
    redis_server_start(&server, NULL); /* finds a free port */
    int port = server.port;
    redis_server_done(&server);
    snprintf(more, sizeof more,
             "tls-port %d\ntls-cert-file %s/server.crt\ntls-key-file %s/server.key\n"
             "tls-ca-cert-file %s/ca.crt\ntls-auth-clients yes\n",
             port, folder, folder, folder);
    redis_server_start(&server, more);
    server.port = port;
    return 0;
}

static int end(UNUSED void **state)
{
    redis_server_done(&server);
    run("rm -rf $0");
    return 0;
}

static struct redis *open_redis(const char *host, const char *ca, const char *who)
{
    char url[600], own[200] = "";
    struct err e = { 0 };
    if (who)
        snprintf(own, sizeof own, "&cert=%s/%s.crt&key=%s/%s.key", folder, who, folder, who);
    snprintf(url, sizeof url, "rediss://%s:%d?ca=%s/%s.crt%s", host, server.port, folder, ca, own);
    struct redis *r =
        redis_open(&(struct redis_config){ .url = url, .timeout_us = 5 * US_PER_S }, &e);
    MUST(r);
    return r;
}

static void fails(struct redis *r, enum err_kind kind, const char *why)
{
    struct err e = { 0 };
    assert_null(redis_words(r, &e, "PING"));
    if (e.kind != kind || !strstr(e.text, why))
        fail_msg("%s (%s)", e.text, err_kind_name(e.kind));
}

static void count(void *arg, struct redis_reply *reply, UNUSED const struct err *e)
{
    atomic_fetch_add(&((_Atomic int *)arg)[reply ? 0 : 1], 1);
    redis_reply_free(reply);
}

TEST(everything_works_over_tls)
{
    enum { SENDS = 20000, SIZE = 12 << 20 };
    CLEANUP(redis_close) struct redis *r = open_redis("127.0.0.1", "ca", "client");
    _Atomic int answers[2] = { 0 };
    struct str words[] = { STR("INCR"), STR("n") };
    for (int i = 0; i < SENDS; i++)
        redis_send(r, &(struct redis_call){ .words = words, .count = 2 }, false, count, answers);
    while (answers[0] + answers[1] < SENDS)
        usleep(1000);
    assert_int_equal(answers[1], 0);

    struct err e = { 0 };
    CLEANUP(buf_done) struct buf bytes = { 0 };
    char *at = buf_reserve(&bytes, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        at[i] = (char)(i * 2654435761u >> 13);
    bytes.len = SIZE;
    struct str set[] = { STR("SET"), STR("k"), buf_str(&bytes) };
    CLEANUP(redis_reply_free)
    struct redis_reply *ok = redis_ask(r, &(struct redis_call){ .words = set, .count = 3 }, &e);
    MUST(ok);
    CLEANUP(redis_reply_free) struct redis_reply *back = redis_words(r, &e, "GET", "k");
    MUST(back);
    assert_true(str_eq(redis_text(back), buf_str(&bytes)));
    /* Whatever the pieces are in which it comes. */
    for (int i = 0; i < 200; i++) {
        char last[16];
        snprintf(last, sizeof last, "%d", 300000 + i * 997);
        CLEANUP(redis_reply_free)
        struct redis_reply *part = redis_words(r, &e, "GETRANGE", "k", "0", last);
        MUST(part);
    }
}

static void hear(void *arg, UNUSED struct str text)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

TEST(lines_and_ears_work_over_tls_and_after_a_restart)
{
    CLEANUP(redis_close) struct redis *r = open_redis("127.0.0.1", "ca", "client");
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    _Atomic int heard = 0;
    struct err e = { 0 };
    struct redis_ear *ear = redis_listen(r, "news", hear, NULL, &heard, &e);
    MUST(ear);
    struct str words[] = { STR("BLPOP"), STR("list"), STR("0.01") };
    struct redis_call pop = { .words = words, .count = 3 };
    for (int i = 0; i < 5; i++) {
        if (i == 3) {
            redis_server_stop(&server, SIGKILL);
            redis_server_go_on(&server);
        }
        CLEANUP(redis_reply_free)
        struct redis_reply *none = redis_line_ask(l, &pop, 10 * US_PER_MS, &e);
        MUST(none);
        int64_t deadline = mono_us() + 10 * US_PER_S;
        while (atomic_load(&heard) <= i && mono_us() < deadline) {
            if (redis_say_int(&server, "PUBLISH news x") == 1)
                while (atomic_load(&heard) <= i && mono_us() < deadline)
                    usleep(1000);
        }
        assert_int_equal(heard, i + 1);
    }
    redis_deafen(ear);
}

TEST(a_server_of_an_unknown_authority_is_refused)
{
    CLEANUP(redis_close) struct redis *r = open_redis("127.0.0.1", "other", "client");
    fails(r, ERR_INVALID, "certificate verify failed");
}

TEST(a_server_under_another_name_is_refused)
{
    CLEANUP(redis_close) struct redis *r = open_redis("localhost", "ca", "client");
    fails(r, ERR_INVALID, "ostname mismatch");
}

TEST(a_client_without_its_certificate_is_told_so)
{
    CLEANUP(redis_close) struct redis *r = open_redis("127.0.0.1", "ca", NULL);
    fails(r, ERR_INVALID, "certificate required");
}

TEST(a_server_that_speaks_no_tls_is_unavailable)
{
    CLEANUP(redis_server_done) struct redis_server plain = { .port = -1 };
    char url[200];
    struct err e = { 0 };
    redis_server_start(&plain, NULL);
    snprintf(url, sizeof url, "rediss://127.0.0.1:%d?ca=%s/ca.crt", plain.port, folder);
    CLEANUP(redis_close)
    struct redis *r =
        redis_open(&(struct redis_config){ .url = url, .timeout_us = 300 * US_PER_MS }, &e);
    MUST(r);
    fails(r, ERR_UNAVAILABLE, "");
}

TEST(files_that_are_not_there_are_named)
{
    struct err e = { 0 };
    assert_null(redis_open(&(struct redis_config){ .url = "rediss://h?ca=/nonexistent.crt" }, &e));
    assert_int_equal(e.kind, ERR_INVALID);
    assert_non_null(strstr(e.text, "/nonexistent.crt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(everything_works_over_tls),
        T(lines_and_ears_work_over_tls_and_after_a_restart),
        T(a_server_of_an_unknown_authority_is_refused),
        T(a_server_under_another_name_is_refused),
        T(a_client_without_its_certificate_is_told_so),
        T(a_server_that_speaks_no_tls_is_unavailable),
        T(files_that_are_not_there_are_named),
    };
    if (!redis_is_here() || access("/usr/bin/openssl", X_OK) != 0) {
        print_message("redis-server or openssl is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, start, end);
}
