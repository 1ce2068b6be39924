/* SPDX-License-Identifier: Apache-2.0 */
/* The driver against one real server: what it promises while all is well, and when it is not. */
#include "../unit/test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "../redis_world.h"
#include "base/buf.h"
#include "base/clock.h"
#include "drivers/redis.h"

/* The thread sanitizer has a thread of its own, which does not sleep. */
#if defined(__SANITIZE_THREAD__)
static const bool has_a_watcher = true;
#elif defined(__has_feature)
static const bool has_a_watcher = __has_feature(thread_sanitizer);
#else
static const bool has_a_watcher = false;
#endif

static struct redis *open_redis(const char *url, int64_t timeout_us)
{
    struct err e = { 0 };
    struct redis_config config = { .url = url, .timeout_us = timeout_us };
    struct redis *r = redis_open(&config, &e);
    MUST(r);
    return r;
}

static struct redis *open_shared(void)
{
    struct redis *r = open_redis(redis_shared()->url, 10 * US_PER_S);
    struct err e = { 0 };
    CLEANUP(redis_reply_free) struct redis_reply *reply = redis_words(r, &e, "FLUSHALL");
    MUST(reply);
    return r;
}

/* Ask and expect an answer: its number. */
static int64_t number(struct redis *r, const char *a, const char *b, const char *c)
{
    struct err e = { 0 };
    CLEANUP(redis_reply_free) struct redis_reply *reply = redis_words(r, &e, a, b, c);
    MUST(reply);
    return redis_int(reply);
}

/* Ask and expect an error of that kind. */
static void fails(struct redis *r, enum err_kind kind, const char *a, const char *b, const char *c)
{
    struct err e = { 0 };
    CLEANUP(redis_reply_free) struct redis_reply *reply = redis_words(r, &e, a, b, c);
    if (reply)
        fail_msg("%s was answered", a);
    if (e.kind != kind)
        fail_msg("%s: %s (%s)", a, e.text, err_kind_name(e.kind));
}

/* What many sends brought. */
struct count {
    _Atomic int answers, errors, unavailable;
    _Atomic int64_t last, disorder;
};

static void count_answer(void *arg, struct redis_reply *reply, const struct err *e)
{
    struct count *c = arg;
    if (reply) {
        int64_t value = redis_int(reply);
        if (value <= atomic_load(&c->last))
            atomic_fetch_add(&c->disorder, 1);
        atomic_store(&c->last, value);
        redis_reply_free(reply);
    } else {
        atomic_fetch_add(&c->errors, 1);
        if (e->kind == ERR_UNAVAILABLE)
            atomic_fetch_add(&c->unavailable, 1);
    }
    atomic_fetch_add(&c->answers, 1);
}

static void wait_answers(struct count *c, int answers)
{
    int64_t deadline = mono_us() + 60 * US_PER_S;
    while (atomic_load(&c->answers) < answers) {
        if (mono_us() > deadline)
            fail_msg("%d answers of %d", atomic_load(&c->answers), answers);
        usleep(500);
    }
}

static void send_incr(struct redis *r, const char *key, struct count *c)
{
    struct str words[] = { STR("INCR"), str_of(key) };
    redis_send(r, &(struct redis_call){ .words = words, .count = 2 }, false, count_answer, c);
}

/* ---- answers ---- */

TEST(answers_of_every_kind_are_read)
{
    CLEANUP(redis_close) struct redis *r = open_shared();
    struct err e = { 0 };
    CLEANUP(redis_reply_free) struct redis_reply *ok = redis_words(r, &e, "SET", "k", "12");
    assert_int_equal(redis_kind(ok), REDIS_TEXT);
    assert_string_equal(redis_text(ok).ptr, "OK");
    CLEANUP(redis_reply_free) struct redis_reply *nil = redis_words(r, &e, "GET", "none");
    assert_int_equal(redis_kind(nil), REDIS_NIL);
    assert_null(redis_text(nil).ptr);
    assert_int_equal(redis_count(nil), 0);
    CLEANUP(redis_reply_free) struct redis_reply *text = redis_words(r, &e, "GET", "k");
    assert_int_equal(redis_kind(text), REDIS_TEXT);
    assert_int_equal(redis_int(text), 12);
    assert_int_equal(number(r, "INCRBY", "k", "30"), 42);
    CLEANUP(redis_reply_free)
    struct redis_reply *list = redis_words(r, &e, "MGET", "k", "none");
    assert_int_equal(redis_kind(list), REDIS_LIST);
    assert_int_equal(redis_count(list), 2);
    assert_string_equal(redis_text(redis_at(list, 0)).ptr, "42");
    assert_int_equal(redis_kind(redis_at(list, 1)), REDIS_NIL);
}

TEST(an_error_answer_is_an_error_and_names_the_command)
{
    CLEANUP(redis_close) struct redis *r = open_shared();
    struct err e = { 0 };
    assert_int_equal(number(r, "LPUSH", "list", "x"), 1);
    assert_null(redis_words(r, &e, "INCR", "list"));
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "INCR"));
    assert_non_null(strstr(e.text, "WRONGTYPE"));
    assert_int_equal(number(r, "LLEN", "list", NULL), 1);
}

TEST(bytes_of_any_kind_and_size_come_back)
{
    enum { SIZE = 24 << 20 };
    CLEANUP(redis_close) struct redis *r = open_shared();
    struct err e = { 0 };
    CLEANUP(buf_done) struct buf bytes = { 0 };
    char *at = buf_reserve(&bytes, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        at[i] = (char)(i * 2654435761u >> 13);
    bytes.len = SIZE;
    struct str words[] = { STR("SET"), STR("a\0\r\nb"), buf_str(&bytes) };
    struct str ask[] = { STR("GET"), STR("a\0\r\nb") };
    CLEANUP(redis_reply_free)
    struct redis_reply *ok = redis_ask(r, &(struct redis_call){ .words = words, .count = 3 }, &e);
    MUST(ok);
    CLEANUP(redis_reply_free)
    struct redis_reply *back = redis_ask(r, &(struct redis_call){ .words = ask, .count = 2 }, &e);
    MUST(back);
    assert_true(str_eq(redis_text(back), buf_str(&bytes)));
    CLEANUP(redis_reply_free) struct redis_reply *empty = redis_words(r, &e, "SET", "", "");
    MUST(empty);
    CLEANUP(redis_reply_free) struct redis_reply *none = redis_words(r, &e, "GET", "");
    assert_int_equal(redis_text(none).len, 0);
    assert_non_null(redis_text(none).ptr);
}

/* ---- many ---- */

TEST(commands_of_one_thread_keep_their_order)
{
    enum { SENDS = 20000 };
    CLEANUP(redis_close) struct redis *r = open_shared();
    struct count c = { 0 };
    for (int i = 0; i < SENDS; i++)
        send_incr(r, "n", &c);
    wait_answers(&c, SENDS);
    assert_int_equal(c.errors, 0);
    assert_int_equal(c.disorder, 0);
    assert_int_equal(c.last, SENDS);
}

struct asker {
    struct redis *r;
    int number, bad;
};

static void *ask_on(void *arg)
{
    struct asker *a = arg;
    char key[16], value[32];
    snprintf(key, sizeof key, "k%d", a->number);
    for (int i = 0; i < 1000; i++) {
        struct err e = { 0 };
        snprintf(value, sizeof value, "%d-%d", a->number, i);
        CLEANUP(redis_reply_free)
        struct redis_reply *set = redis_words(a->r, &e, "SET", key, value);
        CLEANUP(redis_reply_free) struct redis_reply *get = redis_words(a->r, &e, "GET", key);
        a->bad += !set || !get || !str_is(redis_text(get), value);
    }
    return NULL;
}

TEST(each_of_many_threads_gets_its_own_answers)
{
    enum { THREADS = 8 };
    CLEANUP(redis_close) struct redis *r = open_shared();
    pthread_t threads[THREADS];
    struct asker askers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){ r, i, 0 };
        pthread_create(&threads[i], NULL, ask_on, &askers[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].bad, 0);
    }
}

/* A number from INFO or CLIENT LIST: what stands behind name. */
static long reported(struct redis_server *s, const char *command, const char *name)
{
    const char *text = redis_say(s, "%s", command);
    const char *at = strstr(text, name);
    return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* Until the server has so many bytes of commands before it which it does not carry out yet. */
static void wait_gathered(struct redis_server *s, long bytes)
{
    while (reported(s, "CLIENT LIST TYPE normal", " qbuf=") < bytes)
        usleep(1000);
}

TEST(many_commands_at_once_cost_few_reads_of_the_server)
{
    enum { SENDS = 20000 };
    CLEANUP(redis_close) struct redis *r = open_shared();
    struct redis_server *s = redis_shared();
    struct count c = { 0 };
    long before = reported(s, "INFO stats", "total_reads_processed:");
    for (int i = 0; i < SENDS; i++)
        send_incr(r, "n", &c);
    wait_answers(&c, SENDS);
    assert_int_equal(c.errors, 0);
    long reads = reported(s, "INFO stats", "total_reads_processed:") - before;
    print_message("%d commands: %ld reads\n", SENDS, reads);
    assert_in_range(reads, 1, SENDS / 8);
}

/* ---- scripts ---- */

static struct redis_script add = { "add", "return redis.call('INCRBY', KEYS[1], ARGV[1])", "" };

static struct redis_reply *run_add(struct redis *r, const char *key, const char *by, struct err *e)
{
    struct str words[] = { str_of(key), str_of(by) };
    return redis_ask(
        r, &(struct redis_call){ .script = &add, .words = words, .count = 2, .keys = 1 }, e);
}

TEST(a_script_is_sent_once_and_again_when_the_server_forgot_it)
{
    CLEANUP(redis_close) struct redis *r = open_shared();
    struct err e = { 0 };
    for (int i = 1; i <= 4; i++) {
        if (i == 3)
            assert_string_equal(redis_say(redis_shared(), "SCRIPT FLUSH"), "OK");
        CLEANUP(redis_reply_free) struct redis_reply *sum = run_add(r, "sum", "5", &e);
        MUST(sum);
        assert_int_equal(redis_int(sum), 5 * i);
    }
    assert_int_equal(strlen(add.sha), 40);
    redis_say(redis_shared(), "CONFIG RESETSTAT");
    CLEANUP(redis_reply_free) struct redis_reply *sum = run_add(r, "sum", "5", &e);
    MUST(sum);
    assert_null(strstr(redis_say(redis_shared(), "INFO commandstats"), "cmdstat_eval:"));
}

TEST(a_script_that_fails_is_named)
{
    static struct redis_script broken = { "broken", "return nonsense", "" };
    static struct redis_script wrong = { "wrong", "this is not Lua", "" };
    CLEANUP(redis_close) struct redis *r = open_shared();
    struct err e = { 0 };
    assert_null(redis_ask(r, &(struct redis_call){ .script = &broken }, &e));
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "broken"));
    assert_null(redis_ask(r, &(struct redis_call){ .script = &wrong }, &e));
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "wrong"));
}

/* ---- trouble ---- */

TEST(a_name_is_looked_up_and_one_that_leads_nowhere_is_unavailable)
{
    CLEANUP(redis_server_done) struct redis_server s = { .port = -1 };
    char url[64];
    struct err e = { 0 };
    redis_server_start(&s, NULL);
    snprintf(url, sizeof url, "redis://localhost:%d", s.port);
    CLEANUP(redis_close) struct redis *r = open_redis(url, 5 * US_PER_S);
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    assert_int_equal(number(r, "INCR", "n", NULL), 1);
    struct str words[] = { STR("INCR"), STR("n") };
    CLEANUP(redis_reply_free)
    struct redis_reply *two =
        redis_line_ask(l, &(struct redis_call){ .words = words, .count = 2 }, 0, &e);
    MUST(two);

    int64_t start = mono_us();
    CLEANUP(redis_close)
    struct redis *none = open_redis("redis://no.such.invalid", 300 * US_PER_MS);
    fails(none, ERR_UNAVAILABLE, "PING", NULL, NULL);
    assert_in_range(mono_us() - start, 0, 4 * US_PER_S); /* however long the resolver takes */
}

TEST(a_server_that_is_not_there_yet_is_no_error_and_fails_commands_at_once_later)
{
    CLEANUP(redis_close)
    struct redis *r = open_redis("unix:///nonexistent/socket", 200 * US_PER_MS);
    int64_t start = mono_us();
    fails(r, ERR_UNAVAILABLE, "PING", NULL, NULL);
    assert_in_range(mono_us() - start, 150 * US_PER_MS, 5 * US_PER_S);
    struct count c = { 0 };
    for (int i = 0; i < 1000; i++)
        send_incr(r, "n", &c);
    wait_answers(&c, 1000);
    assert_int_equal(c.unavailable, 1000);
    assert_true(mono_us() - start < 20 * US_PER_S);
}

TEST(what_is_under_way_fails_once_when_the_server_is_killed_and_later_ones_succeed)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url, 10 * US_PER_S);
    struct count c = { 0 };
    assert_int_equal(number(r, "INCR", "n", NULL), 1);
    redis_say(&s, "CLIENT PAUSE 100000 WRITE");
    for (int i = 0; i < 500; i++)
        send_incr(r, "n", &c);
    wait_gathered(&s, 499 * (long)strlen("*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"));
    redis_server_stop(&s, SIGKILL);
    wait_answers(&c, 500);
    assert_int_equal(c.unavailable, 500);
    for (int i = 0; i < 100; i++) /* while it is away */
        send_incr(r, "n", &c);
    redis_server_go_on(&s);
    wait_answers(&c, 600);
    assert_int_equal(c.unavailable, 500);
    assert_true(number(r, "GET", "n", NULL) >= 100);
    usleep(20000);
    assert_int_equal(c.answers, 600);
    struct redis_state now;
    struct err e = { 0 };
    MUST(redis_state(r, &now, &e));
    assert_int_equal(now.reconnects, 1);
}

TEST(a_slow_server_times_out_and_no_answer_is_taken_for_another_s)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url, 300 * US_PER_MS);
    struct err e = { 0 };
    for (int round = 0; round < 3; round++) {
        char value[16];
        assert_non_null(redis_say(&s, "CLIENT PAUSE 450 ALL"));
        int64_t start = mono_us();
        fails(r, ERR_UNAVAILABLE, "ECHO", "late", NULL);
        assert_in_range(mono_us() - start, 250 * US_PER_MS, 5 * US_PER_S);
        snprintf(value, sizeof value, "%d", round);
        for (int i = 0; i < 200; i++) {
            CLEANUP(redis_reply_free) struct redis_reply *echo = redis_words(r, &e, "ECHO", value);
            if (echo)
                assert_string_equal(redis_text(echo).ptr, value);
            else
                assert_int_equal(e.kind, ERR_UNAVAILABLE);
            usleep(2000);
        }
        CLEANUP(redis_reply_free) struct redis_reply *echo = redis_words(r, &e, "ECHO", value);
        MUST(echo);
    }
}

struct echo {
    _Atomic int *right, *wrong, *late;
    char text[16];
};

static void compare_echo(void *arg, struct redis_reply *reply, UNUSED const struct err *e)
{
    struct echo *x = arg;
    if (!reply)
        atomic_fetch_add(x->late, 1);
    else
        atomic_fetch_add(str_is(redis_text(reply), x->text) ? x->right : x->wrong, 1);
    redis_reply_free(reply);
}

/* A server that takes 20 ms for each ECHO and answers it at once then, one after the other. */
static void *echo_slowly(void *arg)
{
    const int *listener = arg;
    char bytes[4096];
    CLEANUP(fd_close) int fd = accept(*listener, NULL, NULL);
    redisReader *reader = redisReaderCreate();
    for (ssize_t got; (got = recv(fd, bytes, sizeof bytes, 0)) > 0;) {
        void *one = NULL;
        redisReaderFeed(reader, bytes, (size_t)got);
        while (redisReaderGetReply(reader, &one) == REDIS_OK && one) {
            const redisReply *command = one;
            bool echo = strcmp(command->element[0]->str, "ECHO") == 0;
            const redisReply *word = command->element[command->elements - 1];
            int len = snprintf(bytes, sizeof bytes, echo ? "$%zu\r\n%s\r\n" : "+OK\r\n",
                               (size_t)word->len, word->str);
            usleep(echo ? 20000 : 0);
            send(fd, bytes, (size_t)len, MSG_NOSIGNAL);
            freeReplyObject(one);
        }
    }
    redisReaderFree(reader);
    return NULL;
}

TEST(answers_that_come_late_are_nobody_else_s)
{
    enum { ECHOES = 60 };
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    pthread_t server;
    char url[64];
    CLEANUP(fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    pthread_create(&server, NULL, echo_slowly, &fd);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", ntohs(a.sin_port));

    struct redis *r = open_redis(url, 400 * US_PER_MS);
    _Atomic int right = 0, wrong = 0, late = 0;
    struct echo echoes[ECHOES];
    for (int i = 0; i < ECHOES; i++) {
        struct str words[] = { STR("ECHO"), { 0 } };
        echoes[i] = (struct echo){ &right, &wrong, &late, "" };
        snprintf(echoes[i].text, sizeof echoes[i].text, "%d", i);
        words[1] = str_of(echoes[i].text);
        redis_send(r, &(struct redis_call){ .words = words, .count = 2 }, false, compare_echo,
                   &echoes[i]);
    }
    struct err e = { 0 };
    struct redis_reply *after;
    while (!(after = redis_words(r, &e, "ECHO", "after")))
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_string_equal(redis_text(after).ptr, "after");
    redis_reply_free(after);
    while (right + wrong + late < ECHOES)
        usleep(1000);
    assert_int_equal(wrong, 0);
    assert_true(right > 0);
    assert_true(late > 0);
    redis_close(r);
    pthread_join(server, NULL); /* it was the same connection all the time */
}

TEST(a_server_that_sleeps_while_others_ask_keeps_answers_apart)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url, 200 * US_PER_MS);
    fails(r, ERR_UNAVAILABLE, "DEBUG", "SLEEP", "0.5");
    struct err e = { 0 };
    int64_t deadline = mono_us() + 10 * US_PER_S;
    struct redis_reply *echo;
    while (!(echo = redis_words(r, &e, "ECHO", "here")) && mono_us() < deadline)
        usleep(5000);
    MUST(echo);
    assert_string_equal(redis_text(echo).ptr, "here");
    redis_reply_free(echo);
}

TEST(a_server_that_is_loading_is_waited_for)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, "key-load-delay 1000\nloading-process-events-interval-bytes 1024\n");
    assert_string_equal(redis_say(&s, "DEBUG POPULATE 4000 k 100"), "OK");
    assert_string_equal(redis_say(&s, "SAVE"), "OK");
    redis_say(&s, "BGREWRITEAOF");
    redis_say_until(&s, "aof_rewrite_in_progress:0", "INFO persistence");
    redis_server_stop(&s, SIGTERM);
    redis_server_go_on(&s);
    CLEANUP(redis_close) struct redis *hasty = open_redis(s.url, US_PER_S);
    CLEANUP(redis_close) struct redis *patient = open_redis(s.url, 30 * US_PER_S);
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(patient);
    struct str words[] = { STR("GET"), STR("k:1") };
    struct err e = { 0 };
    assert_null(redis_words(hasty, &e, "GET", "k:1"));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "LOADING"));
    CLEANUP(redis_reply_free)
    struct redis_reply *line =
        redis_line_ask(l, &(struct redis_call){ .words = words, .count = 2 }, 0, &e);
    MUST(line);
    CLEANUP(redis_reply_free) struct redis_reply *reply = redis_words(patient, &e, "GET", "k:1");
    MUST(reply);
    assert_int_equal(redis_kind(reply), REDIS_TEXT);
}

TEST(a_wrong_password_is_invalid_and_a_right_one_is_let_in)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    char url[200];
    redis_server_start(&s, "requirepass s3cret/@\n");
    CLEANUP(redis_close) struct redis *none = open_redis(s.url, 5 * US_PER_S);
    fails(none, ERR_INVALID, "PING", NULL, NULL);
    snprintf(url, sizeof url, "%s?password=wrong", s.url);
    CLEANUP(redis_close) struct redis *wrong = open_redis(url, 5 * US_PER_S);
    fails(wrong, ERR_INVALID, "PING", NULL, NULL);
    int64_t start = mono_us();
    fails(wrong, ERR_INVALID, "PING", NULL, NULL);
    assert_true(mono_us() - start < 2 * US_PER_S);
    snprintf(url, sizeof url, "%s?db=3&password=s3cret%%2f%%40", s.url);
    CLEANUP(redis_close) struct redis *right = open_redis(url, 5 * US_PER_S);
    assert_int_equal(number(right, "INCR", "n", NULL), 1);
}

TEST(rights_that_are_missing_are_invalid)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    char url[200];
    redis_server_start(&s, "user small on >pw ~* +get +ping\n");
    snprintf(url, sizeof url, "%s?user=small&password=pw", s.url);
    CLEANUP(redis_close) struct redis *r = open_redis(url, 5 * US_PER_S);
    assert_int_equal(number(r, "GET", "n", NULL), 0);
    fails(r, ERR_INVALID, "INCR", "n", NULL);
}

TEST(a_full_server_is_a_limit)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url, 5 * US_PER_S);
    redis_say(&s, "CONFIG SET maxmemory 1");
    fails(r, ERR_LIMIT, "SET", "k", "v");
    struct err e = { 0 };
    assert_null(run_add(r, "n", "1", &e));
    assert_int_equal(e.kind, ERR_LIMIT);
    redis_say(&s, "CONFIG SET maxmemory 0");
    assert_int_equal(number(r, "INCR", "n", NULL), 1);
}

TEST(a_server_with_too_many_clients_is_tried_again)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    CLEANUP(redis_close) struct redis *first = open_redis(s.url, 10 * US_PER_S);
    struct err e = { 0 };
    CLEANUP(redis_reply_free)
    struct redis_reply *ok = redis_words(first, &e, "CONFIG", "SET", "maxclients", "1");
    MUST(ok);
    CLEANUP(redis_close) struct redis *second = open_redis(s.url, 300 * US_PER_MS);
    fails(second, ERR_UNAVAILABLE, "PING", NULL, NULL);
    CLEANUP(redis_reply_free)
    struct redis_reply *more = redis_words(first, &e, "CONFIG", "SET", "maxclients", "100");
    MUST(more);
    int64_t deadline = mono_us() + 20 * US_PER_S;
    struct redis_reply *reply;
    while (!(reply = redis_words(second, &e, "PING")) && mono_us() < deadline)
        usleep(10000);
    MUST(reply);
    redis_reply_free(reply);
}

/* ---- lines ---- */

static struct redis_reply *pop(struct redis_line *l, const char *seconds, int64_t wait_us,
                               struct err *e)
{
    struct str words[] = { STR("BLPOP"), STR("line"), str_of(seconds) };
    return redis_line_ask(l, &(struct redis_call){ .words = words, .count = 3 }, wait_us, e);
}

TEST(a_line_waits_without_holding_up_others)
{
    CLEANUP(redis_close) struct redis *r = open_shared();
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    struct err e = { 0 };
    CLEANUP(redis_reply_free) struct redis_reply *none = pop(l, "0.05", 50 * US_PER_MS, &e);
    MUST(none);
    assert_int_equal(redis_kind(none), REDIS_NIL);
    assert_int_equal(number(r, "RPUSH", "line", "x"), 1);
    CLEANUP(redis_reply_free) struct redis_reply *one = pop(l, "5", 5 * US_PER_S, &e);
    MUST(one);
    assert_string_equal(redis_text(redis_at(one, 1)).ptr, "x");
}

static void *wake_when_blocked(void *arg)
{
    while (!strstr(redis_say(redis_shared(), "INFO clients"), "blocked_clients:1"))
        usleep(1000);
    redis_line_wake(arg);
    return NULL;
}

TEST(a_line_is_woken_and_then_used_again)
{
    CLEANUP(redis_close) struct redis *r = open_shared();
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    for (int i = 0; i < 3; i++) {
        struct err e = { 0 };
        pthread_t waker;
        pthread_create(&waker, NULL, wake_when_blocked, l);
        assert_null(pop(l, "60", 60 * US_PER_S, &e));
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
        assert_int_equal(e.sys, EINTR);
        pthread_join(waker, NULL);
        while (!strstr(redis_say(redis_shared(), "INFO clients"), "blocked_clients:0"))
            usleep(1000);
        assert_int_equal(number(r, "RPUSH", "line", "x"), 1);
        CLEANUP(redis_reply_free) struct redis_reply *one = pop(l, "5", 5 * US_PER_S, &e);
        MUST(one);
    }
}

TEST(a_wake_before_the_wait_ends_it)
{
    CLEANUP(redis_close) struct redis *r = open_shared();
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    struct err e = { 0 };
    redis_line_wake(l);
    assert_null(pop(l, "60", 60 * US_PER_S, &e));
    assert_int_equal(e.sys, EINTR);
    CLEANUP(redis_reply_free) struct redis_reply *none = pop(l, "0.01", 10 * US_PER_MS, &e);
    MUST(none);
}

TEST(a_line_fails_when_the_server_goes_and_stands_when_it_is_back)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url, 5 * US_PER_S);
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    struct err e = { 0 };
    CLEANUP(redis_reply_free) struct redis_reply *none = pop(l, "0.01", 10 * US_PER_MS, &e);
    MUST(none);
    redis_server_stop(&s, SIGKILL);
    assert_null(pop(l, "1", US_PER_S, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    redis_server_go_on(&s);
    CLEANUP(redis_reply_free) struct redis_reply *again = pop(l, "0.01", 5 * US_PER_S, &e);
    MUST(again);
}

TEST(a_line_waits_no_longer_than_asked_for_a_server_known_to_be_away)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    redis_server_stop(&s, SIGKILL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url, 1500 * US_PER_MS);
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    fails(r, ERR_UNAVAILABLE, "PING", NULL, NULL);
    struct err e = { 0 };
    int64_t start = mono_us();
    for (int i = 0; i < 20; i++)
        assert_null(pop(l, "0.001", 0, &e));
    assert_in_range(mono_us() - start, 0, US_PER_S);
    start = mono_us();
    assert_null(pop(l, "0.2", 200 * US_PER_MS, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_in_range(mono_us() - start, 200 * US_PER_MS, 1400 * US_PER_MS);
}

/* Somebody listens there and never says a word. */
TEST(closing_does_not_wait_for_those_who_do_not_answer)
{
    static const char *const hosts[] = { "redis://127.0.0.1", "redis+cluster://127.0.0.1",
                                         "redis+sentinel://127.0.0.1", "redis://silent.invalid" };
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    CLEANUP(fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    for (size_t i = 0; i < COUNT_OF(hosts) * 4; i++) {
        char url[100];
        struct count c = { 0 };
        const char *host = hosts[i % COUNT_OF(hosts)];
        snprintf(url, sizeof url, "%s:%d%s", host, ntohs(a.sin_port),
                 strstr(host, "sentinel") ? "/jobs" : "");
        struct redis *r = open_redis(url, 10 * US_PER_S);
        int64_t start = mono_us();
        for (int n = 0; n < 10; n++)
            send_incr(r, "n", &c);
        usleep(i < COUNT_OF(hosts) ? 20000 : 0);
        redis_close(r);
        assert_int_equal(c.unavailable, 10);
        assert_in_range(mono_us() - start, 0, 3 * US_PER_S);
    }
}

TEST(a_line_reloads_a_script)
{
    CLEANUP(redis_close) struct redis *r = open_shared();
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(r);
    struct str words[] = { STR("by-line"), STR("2") };
    struct redis_call call = { .script = &add, .words = words, .count = 2, .keys = 1 };
    struct err e = { 0 };
    for (int i = 1; i <= 3; i++) {
        redis_say(redis_shared(), "SCRIPT FLUSH");
        CLEANUP(redis_reply_free) struct redis_reply *sum = redis_line_ask(l, &call, 0, &e);
        MUST(sum);
        assert_int_equal(redis_int(sum), 2 * i);
    }
}

/* ---- pub/sub ---- */

struct heard {
    _Atomic int messages, gaps;
    _Atomic int last;
};

static void hear(void *arg, struct str text)
{
    struct heard *h = arg;
    atomic_store(&h->last, text.len ? text.ptr[0] : 0);
    atomic_fetch_add(&h->messages, 1);
}

static void hear_gap(void *arg)
{
    struct heard *h = arg;
    atomic_fetch_add(&h->gaps, 1);
}

static void wait_heard(_Atomic int *what, int count)
{
    int64_t deadline = mono_us() + 20 * US_PER_S;
    while (atomic_load(what) < count && mono_us() < deadline)
        usleep(500);
    assert_int_equal(atomic_load(what), count);
}

TEST(an_ear_hears_from_the_start_and_is_told_of_a_gap)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url, 5 * US_PER_S);
    struct heard h = { 0 };
    struct err e = { 0 };
    struct redis_ear *ear = redis_listen(r, "news", hear, hear_gap, &h, &e);
    MUST(ear);
    assert_int_equal(number(r, "PUBLISH", "news", "a"), 1);
    wait_heard(&h.messages, 1);
    assert_int_equal(h.gaps, 0);
    assert_int_equal(h.last, 'a');

    redis_server_stop(&s, SIGKILL);
    redis_server_go_on(&s);
    wait_heard(&h.gaps, 1);
    assert_int_equal(number(r, "PUBLISH", "news", "b"), 1);
    wait_heard(&h.messages, 2);
    redis_deafen(ear);
    int64_t deadline = mono_us() + 20 * US_PER_S;
    while (number(r, "PUBLISH", "news", "c") > 0 && mono_us() < deadline)
        usleep(1000); /* until the server knows, too */
    assert_int_equal(number(r, "PUBLISH", "news", "c"), 0);
    assert_int_equal(h.messages, 2);
    assert_int_equal(h.gaps, 1);
}

TEST(an_ear_opened_while_nobody_answers_stands_later)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, NULL);
    redis_server_stop(&s, SIGKILL);
    CLEANUP(redis_close) struct redis *r = open_redis(s.url, 100 * US_PER_MS);
    struct heard h = { 0 };
    struct err e = { 0 };
    struct redis_ear *ear = redis_listen(r, "news", hear, hear_gap, &h, &e);
    MUST(ear);
    redis_server_go_on(&s);
    wait_heard(&h.gaps, 1);
    assert_int_equal(redis_say_int(&s, "PUBLISH news x"), 1);
    wait_heard(&h.messages, 1);
    redis_deafen(ear);
}

/* ---- state, idleness ---- */

TEST(the_state_says_what_an_operator_must_know)
{
    CLEANUP(redis_server_done) struct redis_server s = { 0 };
    redis_server_start(&s, "maxmemory 50mb\nmaxmemory-policy noeviction\n");
    CLEANUP(redis_close) struct redis *r = open_redis(s.url, 300 * US_PER_MS);
    struct redis_state now;
    struct err e = { 0 };
    MUST(redis_state(r, &now, &e));
    assert_true(now.connected);
    assert_true(now.append_only);
    assert_false(now.fsync_always);
    assert_string_equal(now.policy, "noeviction");
    assert_int_equal(now.memory_max_bytes, 50 << 20);
    assert_true(now.memory_bytes > 0);
    assert_non_null(strstr(now.server, "Redis "));
    redis_say(&s, "CONFIG SET appendfsync always");
    MUST(redis_state(r, &now, &e));
    assert_true(now.fsync_always);

    redis_server_stop(&s, SIGKILL);
    assert_false(redis_state(r, &now, &e));
    assert_false(now.connected);
    assert_true(now.trouble[0]);
}

/* How often threads of this process went to sleep so far. */
static int64_t thread_sleeps(void)
{
    int64_t sum = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *d; (d = readdir(tasks));) {
        char path[300], line[128];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", d->d_name);
        FILE *f = d->d_name[0] == '.' ? NULL : fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
            if (strncmp(line, "voluntary_ctxt_switches:", 24) == 0)
                sum += strtoll(line + 24, NULL, 10);
        if (f)
            fclose(f);
    }
    closedir(tasks);
    return sum;
}

TEST(an_idle_driver_sleeps)
{
    if (has_a_watcher)
        skip();
    CLEANUP(redis_close) struct redis *r = open_shared();
    CLEANUP(redis_line_free) UNUSED struct redis_line *l = redis_line_new(r);
    struct heard h = { 0 };
    struct err e = { 0 };
    struct redis_ear *ear = redis_listen(r, "news", hear, hear_gap, &h, &e);
    MUST(ear);
    int64_t before = thread_sleeps();
    usleep(1500000);
    int64_t after = thread_sleeps();
    redis_deafen(ear);
    assert_in_range(after - before, 0, 4); /* ours, for this sleep */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(answers_of_every_kind_are_read),
        T(an_error_answer_is_an_error_and_names_the_command),
        T(bytes_of_any_kind_and_size_come_back),
        T(commands_of_one_thread_keep_their_order),
        T(each_of_many_threads_gets_its_own_answers),
        T(many_commands_at_once_cost_few_reads_of_the_server),
        T(a_script_is_sent_once_and_again_when_the_server_forgot_it),
        T(a_script_that_fails_is_named),
        T(a_name_is_looked_up_and_one_that_leads_nowhere_is_unavailable),
        T(a_server_that_is_not_there_yet_is_no_error_and_fails_commands_at_once_later),
        T(what_is_under_way_fails_once_when_the_server_is_killed_and_later_ones_succeed),
        T(a_slow_server_times_out_and_no_answer_is_taken_for_another_s),
        T(answers_that_come_late_are_nobody_else_s),
        T(a_server_that_sleeps_while_others_ask_keeps_answers_apart),
        T(a_server_that_is_loading_is_waited_for),
        T(a_wrong_password_is_invalid_and_a_right_one_is_let_in),
        T(rights_that_are_missing_are_invalid),
        T(a_full_server_is_a_limit),
        T(a_server_with_too_many_clients_is_tried_again),
        T(a_line_waits_without_holding_up_others),
        T(a_line_is_woken_and_then_used_again),
        T(a_wake_before_the_wait_ends_it),
        T(a_line_fails_when_the_server_goes_and_stands_when_it_is_back),
        T(a_line_waits_no_longer_than_asked_for_a_server_known_to_be_away),
        T(closing_does_not_wait_for_those_who_do_not_answer),
        T(a_line_reloads_a_script),
        T(an_ear_hears_from_the_start_and_is_told_of_a_gap),
        T(an_ear_opened_while_nobody_answers_stands_later),
        T(the_state_says_what_an_operator_must_know),
        T(an_idle_driver_sleeps),
    };
    if (!redis_is_here()) {
        print_message("redis-server is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
