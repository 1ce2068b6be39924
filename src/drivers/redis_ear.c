/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread with a connection of its own, which subscribes and then sleeps until something comes. It
 * is a line that never sends again: the same connecting, the same nudges. The kernel's keep-alive
 * finds a server that vanished; a nudge finds that another one is the primary now.
 */
#include "drivers/redis_internal.h"

#include <errno.h>
#include <semaphore.h>

#include "base/clock.h"

struct redis_ear {
    struct redis_line *line;
    char *channel;
    void (*message)(void *arg, struct str text);
    void (*gap)(void *arg);
    void *arg;
    pthread_t thread;
    _Atomic bool stop;
    _Atomic bool told; /* the opener need not wait any longer */
    sem_t opened;
};

static void tell_opener(struct redis_ear *ear)
{
    if (!atomic_exchange(&ear->told, true))
        sem_post(&ear->opened);
}

/* ["message", channel, text] */
static void hear(struct redis_ear *ear, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return;
    const redisReply *kind = reply->element[0], *text = reply->element[2];
    if (kind->type == REDIS_REPLY_STRING && strcmp(kind->str, "message") == 0 &&
        text->type == REDIS_REPLY_STRING && !atomic_load(&ear->stop))
        ear->message(ear->arg, (struct str){ text->str, text->len });
}

/* Until the connection is lost. */
static void listen_on(struct redis_ear *ear)
{
    struct err e = { 0 };
    redisReply *reply;
    while (!atomic_load(&ear->stop) && (reply = line_listen(ear->line, &e))) {
        hear(ear, reply);
        freeReplyObject(reply);
    }
}

static void *run(void *arg)
{
    struct redis_ear *ear = arg;
    struct str words[] = { STR("SUBSCRIBE"), str_of(ear->channel) };
    struct redis_call call = { .words = words, .count = COUNT_OF(words) };
    bool missed = false;
    while (!atomic_load(&ear->stop)) {
        struct err e = { 0 };
        struct redis_reply *reply = redis_line_ask(ear->line, &call, 0, &e);
        if (reply) {
            redis_reply_free(reply);
            if (missed && ear->gap)
                ear->gap(ear->arg);
            tell_opener(ear);
            listen_on(ear);
        } else {
            tell_opener(ear);
            line_pause(ear->line, 500 * US_PER_MS); /* or until the server stands */
        }
        missed = true;
    }
    return NULL;
}

static void ear_free(struct redis_ear *ear)
{
    redis_line_free(ear->line);
    sem_destroy(&ear->opened);
    free(ear->channel);
    free(ear);
}

struct redis_ear *redis_listen(struct redis *r, const char *channel,
                               void (*message)(void *arg, struct str text), void (*gap)(void *arg),
                               void *arg, struct err *e)
{
    struct redis_ear *ear = calloc(1, sizeof *ear);
    CHECK(ear);
    *ear = (struct redis_ear){ .message = message, .gap = gap, .arg = arg };
    ear->channel = strdup(channel);
    CHECK(ear->channel);
    ear->line = redis_line_new(r);
    sem_init(&ear->opened, 0, 0);
    int code = pthread_create(&ear->thread, NULL, run, ear);
    if (code != 0) {
        err_sysno(e, code, "redis: thread");
        ear_free(ear);
        return NULL;
    }
    while (sem_wait(&ear->opened) != 0)
        CHECK(errno == EINTR);
    return ear;
}

void redis_deafen(struct redis_ear *ear)
{
    if (!ear)
        return;
    atomic_store(&ear->stop, true);
    redis_line_wake(ear->line);
    pthread_join(ear->thread, NULL);
    ear_free(ear);
}
