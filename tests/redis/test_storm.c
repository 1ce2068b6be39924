/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver while its server is killed, stopped, loaded and robbed of its connections: every
 * command is told its end once, and an answer is the command's own.
 */
#include "../unit/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "../redis_world.h"
#include "base/clock.h"
#include "drivers/redis.h"

enum { SENDERS = 3, ASKERS = 2, STORM_US = 6 * 1000000 };

struct storm {
    struct redis *redis;
    _Atomic bool over;
    _Atomic int64_t sent, answered, failed, wrong;
};

/* One command: what its answer must be, and how often it was told its end. */
struct one {
    struct storm *storm;
    _Atomic int ends;
    char text[48];
};

static void check(struct storm *s, const struct redis_reply *reply, const struct err *e,
                  const char *text)
{
    if (reply && str_is(redis_text(reply), text))
        atomic_fetch_add(&s->answered, 1);
    else if (!reply && e->kind == ERR_UNAVAILABLE)
        atomic_fetch_add(&s->failed, 1);
    else
        atomic_fetch_add(&s->wrong, 1);
}

static void told(void *arg, struct redis_reply *reply, const struct err *e)
{
    struct one *one = arg;
    check(one->storm, reply, e, one->text);
    atomic_fetch_add(&one->ends, 1);
    redis_reply_free(reply);
}

static struct redis_script say = { "say", "return ARGV[1]", "" };

static void send_one(struct storm *s, struct one *one, int64_t number, bool script)
{
    one->storm = s;
    snprintf(one->text, sizeof one->text, "%p-%lld", (void *)one, (long long)number);
    struct str echo[] = { STR("ECHO"), str_of(one->text) };
    struct redis_call call = script ? (struct redis_call){ &say, echo + 1, 1, 0 }
                                    : (struct redis_call){ NULL, echo, 2, 0 };
    atomic_fetch_add(&s->sent, 1);
    redis_send(s->redis, &call, false, told, one);
}

static void *send_on(void *arg)
{
    enum { WINDOW = 200 };
    struct storm *s = arg;
    struct one *ones = calloc(WINDOW, sizeof *ones);
    for (int64_t i = 0; !atomic_load(&s->over); i++) {
        struct one *one = &ones[i % WINDOW];
        while (i >= WINDOW && atomic_load(&one->ends) == 0)
            usleep(100);
        if (atomic_load(&one->ends) > 1)
            atomic_fetch_add(&s->wrong, 1);
        atomic_store(&one->ends, 0);
        send_one(s, one, i, i % 3 == 0);
        if (i % 50 == 0)
            usleep(1000);
    }
    int64_t deadline = mono_us() + 30 * US_PER_S;
    while (atomic_load(&s->answered) + atomic_load(&s->failed) + atomic_load(&s->wrong) <
               atomic_load(&s->sent) &&
           mono_us() < deadline)
        usleep(1000);
    usleep(20000); /* somebody told twice would show now */
    for (int i = 0; i < WINDOW; i++)
        if (ones[i].storm && atomic_load(&ones[i].ends) != 1)
            atomic_fetch_add(&s->wrong, 1);
    free(ones);
    return NULL;
}

static void *ask_on(void *arg)
{
    struct storm *s = arg;
    CLEANUP(redis_line_free) struct redis_line *l = redis_line_new(s->redis);
    for (int64_t i = 0; !atomic_load(&s->over); i++) {
        char text[48];
        struct err e = { 0 };
        snprintf(text, sizeof text, "%p-%lld", (void *)l, (long long)i);
        struct str echo[] = { STR("ECHO"), str_of(text) };
        struct redis_call call = { .words = echo, .count = 2 };
        atomic_fetch_add(&s->sent, 1);
        if (i % 7 == 0)
            redis_line_wake(l);
        struct redis_reply *reply =
            i % 2 ? redis_line_ask(l, &call, 10 * US_PER_MS, &e) : redis_ask(s->redis, &call, &e);
        check(s, reply, &e, text);
        redis_reply_free(reply);
    }
    return NULL;
}

static void bad_weather(struct redis_server *server, int turn)
{
    switch (turn % 5) {
    case 0:
        redis_say(server, "CLIENT KILL TYPE normal SKIPME yes");
        break;
    case 1:
        redis_server_stop(server, SIGKILL);
        usleep(50000);
        redis_server_go_on(server);
        break;
    case 2:
        redis_say(server, "SCRIPT FLUSH");
        break;
    case 3: /* longer than a time-out */
        redis_server_stop(server, SIGSTOP);
        usleep(450000);
        redis_server_stop(server, SIGCONT);
        break;
    default:
        redis_say(server, "CLIENT PAUSE 250 ALL");
        break;
    }
    usleep(100000);
}

TEST(every_command_is_told_its_own_end_once)
{
    CLEANUP(redis_server_done) struct redis_server server = { .port = -1 };
    struct err e = { 0 };
    struct storm s = { 0 };
    pthread_t threads[SENDERS + ASKERS];
    redis_server_start(&server, NULL);
    struct redis_config config = { .url = server.url, .timeout_us = 300 * US_PER_MS };
    MUST(s.redis = redis_open(&config, &e));
    for (int i = 0; i < SENDERS + ASKERS; i++)
        pthread_create(&threads[i], NULL, i < SENDERS ? send_on : ask_on, &s);
    int64_t end = mono_us() + STORM_US;
    for (int turn = 0; mono_us() < end; turn++)
        bad_weather(&server, turn);
    atomic_store(&s.over, true);
    for (int i = 0; i < SENDERS + ASKERS; i++)
        pthread_join(threads[i], NULL);
    redis_close(s.redis);
    print_message("%lld commands: %lld answered, %lld failed\n", (long long)s.sent,
                  (long long)s.answered, (long long)s.failed);
    assert_int_equal(s.wrong, 0);
    assert_int_equal(s.answered + s.failed, s.sent);
    assert_true(s.answered > 100);
    assert_true(s.failed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { T(every_command_is_told_its_own_end_once) };
    if (!redis_is_here()) {
        print_message("redis-server is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
