/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread keeps all connections. Everybody else writes a command down, puts it into the inbox
 * and, when the thread sleeps, wakes it; it takes the whole inbox, hands each command to its
 * connection, and what gathered for one goes out with one write. Nothing is timed unless something
 * is pending: an idle driver sleeps in poll() for ever.
 */
#include "drivers/redis_internal.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/eventfd.h>

#include "base/clock.h"

static const int64_t timeout_usual_us = 5 * US_PER_S;

/* ---- the thread ---- */

struct loop {
    struct redis *redis;
    struct pollfd *polls;
    size_t room;
    int64_t now;
};

/* What came in since. Nothing: from now on the thread must be woken. False: the end. */
static bool take_inbox(struct redis *r, struct commands *ret, bool *doubted)
{
    pthread_mutex_lock(&r->lock);
    *ret = r->inbox;
    if (r->inbox.first)
        commands_init(&r->inbox);
    else
        commands_init(ret);
    *doubted = r->doubted;
    r->doubted = false;
    bool stop = r->stop;
    r->asleep = !ret->first && !*doubted && !stop;
    pthread_mutex_unlock(&r->lock);
    return !stop;
}

static void look_again(struct redis *r, int64_t now)
{
    struct link *l;
    for (size_t i = 0; (l = finder_link(r->finder, i)); i++)
        if (l->state == LINK_DOWN)
            l->retry_us = MIN(l->retry_us, now + 10 * US_PER_MS);
    finder_look(r->finder);
}

static void drive(struct loop *loop)
{
    struct link *l;
    finder_drive(loop->redis->finder, loop->now);
    for (size_t i = 0; (l = finder_link(loop->redis->finder, i)); i++)
        link_drive(l, loop->now);
}

static int64_t next_time(struct loop *loop)
{
    int64_t next = finder_next(loop->redis->finder);
    struct link *l;
    for (size_t i = 0; (l = finder_link(loop->redis->finder, i)); i++)
        next = MIN(next, link_next(l));
    return next;
}

static nfds_t fill_polls(struct loop *loop)
{
    nfds_t count = 0;
    struct link *l;
    loop->polls[count++] = (struct pollfd){ loop->redis->wake_fd, POLLIN, 0 };
    for (size_t i = 0; (l = finder_link(loop->redis->finder, i)); i++) {
        l->poll_at = -1;
        if (l->wire.fd < 0)
            continue;
        if (count == loop->room) {
            loop->room *= 2;
            loop->polls = reallocarray(loop->polls, loop->room, sizeof *loop->polls);
            CHECK(loop->polls);
        }
        l->poll_at = (int)count;
        loop->polls[count++] = (struct pollfd){ l->wire.fd, redis_wire_events(&l->wire), 0 };
    }
    return count;
}

/* A little late rather than early: waking before the time would only spin. */
static int poll_ms(int64_t now, int64_t next)
{
    if (next == INT64_MAX)
        return -1;
    int64_t us = MAX(next - now, 0);
    return (int)MIN((us + US_PER_MS - 1) / US_PER_MS, 60000);
}

static void sleep_and_move(struct loop *loop, int ms)
{
    struct link *l;
    nfds_t count = fill_polls(loop);
    int ready = poll(loop->polls, count, ms);
    loop->now = mono_us();
    if (ready <= 0)
        return;
    if (loop->polls[0].revents) {
        eventfd_t ignored;
        eventfd_read(loop->redis->wake_fd, &ignored);
    }
    /* Links may come, go and change places while answers are handled. */
    for (size_t i = 0; (l = finder_link(loop->redis->finder, i)); i++) {
        int at = l->poll_at;
        l->poll_at = -1;
        if (at < 0 || l->wire.fd != loop->polls[at].fd || !loop->polls[at].revents)
            continue;
        link_move(l, loop->polls[at].revents, loop->now);
    }
}

/* Nobody sends from outside any more, but what is told of the end might. */
static void end_all(struct redis *r)
{
    struct commands rest;
    struct err closing;
    bool doubted;
    err_set(&closing, ERR_UNAVAILABLE, "redis: closing");
    finder_free(r->finder, &closing);
    r->finder = NULL;
    do {
        take_inbox(r, &rest, &doubted);
        for (struct command *c; (c = commands_take(&rest));)
            command_fail(r, c, &closing);
    } while (r->inbox.first);
}

/* Hand out what came in. False: nothing did, and the thread counts as asleep. */
static bool hand_out(struct loop *loop, bool *stop)
{
    struct redis *r = loop->redis;
    struct commands fresh;
    bool doubted;
    *stop = !take_inbox(r, &fresh, &doubted);
    bool any = fresh.first || doubted;
    if (doubted)
        look_again(r, loop->now);
    for (struct command *c; (c = commands_take(&fresh));)
        finder_route(r->finder, c, loop->now);
    return any;
}

static void *run(void *arg)
{
    struct redis *r = arg;
    struct loop loop = { .redis = r, .room = 8, .now = mono_us() };
    loop.polls = calloc(loop.room, sizeof *loop.polls);
    CHECK(loop.polls);
    for (bool stop = false; !stop;) {
        bool any = hand_out(&loop, &stop);
        drive(&loop);
        if (any && !stop && (any = hand_out(&loop, &stop)))
            drive(&loop);
        if (!stop)
            sleep_and_move(&loop, any ? 0 : poll_ms(loop.now, next_time(&loop)));
    }
    end_all(r);
    free(loop.polls);
    return NULL;
}

static void wake(struct redis *r)
{
    eventfd_write(r->wake_fd, 1);
}

static void post(struct redis *r, struct command *c)
{
    pthread_mutex_lock(&r->lock);
    commands_add(&r->inbox, c);
    bool asleep = r->asleep;
    r->asleep = false;
    pthread_mutex_unlock(&r->lock);
    if (asleep)
        wake(r);
}

/* ---- opening and closing ---- */

static bool start(struct redis *r, struct err *e)
{
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->wake_fd < 0)
        return err_sys(e, "redis: eventfd");
    r->finder = finder_new(r);
    int code = pthread_create(&r->thread, NULL, run, r);
    if (code != 0)
        return err_sysno(e, code, "redis: thread");
    return true;
}

static void redis_free(struct redis *r)
{
    if (r->finder) /* the thread did not start */
        finder_free(r->finder, &(struct err){ 0 });
    tls_context_free(r->tls);
    redis_url_done(&r->url);
    fd_close(r->wake_fd);
    free(r->map.places);
    free(r->map.slots);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

struct redis *redis_open(const struct redis_config *config, struct err *e)
{
    struct redis *r = calloc(1, sizeof *r);
    CHECK(r);
    r->wake_fd = -1;
    r->timeout_us = config->timeout_us > 0 ? config->timeout_us : timeout_usual_us;
    r->replicas = config->replicas;
    r->map.down_us = mono_us();
    pthread_mutex_init(&r->lock, NULL);
    commands_init(&r->inbox);

    bool ok = redis_url_parse(config->url, &r->url, e);
    if (ok && r->url.tls)
        ok = (r->tls = tls_context_new(&r->url, e)) != NULL;
    if (ok && start(r, e))
        return r;
    redis_free(r);
    return NULL;
}

void redis_close(struct redis *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    CHECK(!r->nudged); /* lines and ears end before what they hang on */
    r->stop = true;
    pthread_mutex_unlock(&r->lock);
    wake(r);
    pthread_join(r->thread, NULL);
    redis_free(r);
}

/* ---- commands ---- */

void redis_send(struct redis *r, const struct redis_call *call, bool kept, redis_done_fn done,
                void *arg)
{
    struct command *c = command_new(call, mono_us() + r->timeout_us);
    c->done = done;
    c->arg = arg;
    c->kept = kept && r->replicas > 0;
    c->slot = call_slot(call);
    post(r, c);
}

struct waiter {
    sem_t answered;
    struct redis_reply *reply;
    struct err *e;
};

static void wake_waiter(void *arg, struct redis_reply *reply, const struct err *e)
{
    struct waiter *w = arg;
    w->reply = reply;
    if (!reply)
        *w->e = *e;
    sem_post(&w->answered);
}

static struct redis_reply *ask(struct redis *r, const struct redis_call *call, bool kept,
                               struct err *e)
{
    struct waiter w = { .e = e };
    CHECK(!pthread_equal(pthread_self(), r->thread)); /* it would wait for itself */
    sem_init(&w.answered, 0, 0);
    redis_send(r, call, kept, wake_waiter, &w);
    while (sem_wait(&w.answered) != 0)
        CHECK(errno == EINTR);
    sem_destroy(&w.answered);
    return w.reply;
}

struct redis_reply *redis_ask(struct redis *r, const struct redis_call *call, struct err *e)
{
    return ask(r, call, false, e);
}

struct redis_reply *redis_ask_kept(struct redis *r, const struct redis_call *call, struct err *e)
{
    return ask(r, call, true, e);
}

/* ---- asking with less patience ---- */

/* Outlives whoever stopped waiting: the last of the two frees it. */
struct brief_waiter {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t answered;
    struct redis_reply *reply;
    struct err e;
    bool done, left;
};

static void brief_free(struct brief_waiter *w)
{
    pthread_cond_destroy(&w->answered);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void wake_brief(void *arg, struct redis_reply *reply, const struct err *e)
{
    struct brief_waiter *w = arg;
    pthread_mutex_lock(&w->lock);
    bool left = w->left;
    w->done = true;
    w->reply = left ? NULL : reply;
    if (!reply)
        w->e = *e;
    pthread_cond_signal(&w->answered);
    pthread_mutex_unlock(&w->lock);
    if (left) {
        redis_reply_free(reply);
        brief_free(w);
    }
}

static struct brief_waiter *brief_new(void)
{
    struct brief_waiter *w = calloc(1, sizeof *w);
    pthread_condattr_t monotonic;
    CHECK(w);
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return w;
}

struct redis_reply *redis_ask_within(struct redis *r, const struct redis_call *call,
                                     int64_t wait_us, struct err *e)
{
    struct brief_waiter *w = brief_new();
    struct timespec until = us_to_timespec(mono_us() + wait_us);
    CHECK(!pthread_equal(pthread_self(), r->thread)); /* it would wait for itself */
    redis_send(r, call, false, wake_brief, w);
    pthread_mutex_lock(&w->lock);
    while (!w->done && pthread_cond_timedwait(&w->answered, &w->lock, &until) == 0)
        continue;
    struct redis_reply *reply = w->reply;
    bool done = w->done;
    w->left = true;
    if (done && !reply)
        *e = w->e;
    pthread_mutex_unlock(&w->lock);
    if (done) {
        brief_free(w);
        return reply;
    }
    err_set(e, ERR_UNAVAILABLE, "redis: no answer for %lld ms", (long long)(wait_us / US_PER_MS));
    e->sys = ETIMEDOUT;
    return NULL;
}

struct redis_reply *redis_words_(struct redis *r, struct err *e, ...)
{
    enum { WORDS_MAX = 64 };
    struct str words[WORDS_MAX];
    size_t count = 0;
    va_list list;
    va_start(list, e);
    for (const char *word; (word = va_arg(list, const char *));) {
        CHECK(count < WORDS_MAX);
        words[count++] = str_of(word);
    }
    va_end(list);
    return redis_ask(r, &(struct redis_call){ .words = words, .count = count }, e);
}

/* ---- for those with connections of their own ---- */

enum got redis_place(struct redis *r, int slot, struct place *ret, struct err *e)
{
    enum got got = GOT_NONE;
    pthread_mutex_lock(&r->lock);
    const struct map_copy *map = &r->map;
    size_t at = map->slots && slot != SLOT_ANY ? map->slots[slot] : 0;
    if (map->known && map->slots && slot == SLOT_ANY)
        at = map->slots[0];
    if (map->known && at < map->count) {
        *ret = map->places[at];
        got = GOT_ONE;
    } else if (map->trouble.kind && (map->refused || mono_us() - map->down_us >= r->timeout_us)) {
        *e = map->trouble;
        e->kind = map->refused ? ERR_INVALID : ERR_UNAVAILABLE;
        got = GOT_FAILED;
    }
    pthread_mutex_unlock(&r->lock);
    return got;
}

bool redis_ready(struct redis *r)
{
    pthread_mutex_lock(&r->lock);
    bool ready = r->map.known || !r->map.trouble.kind;
    pthread_mutex_unlock(&r->lock);
    return ready;
}

void redis_doubt(struct redis *r)
{
    pthread_mutex_lock(&r->lock);
    r->doubted = true;
    r->asleep = false;
    pthread_mutex_unlock(&r->lock);
    wake(r);
}

void redis_nudge_add(struct redis *r, struct nudged *n)
{
    pthread_mutex_lock(&r->lock);
    n->previous = NULL;
    n->next = r->nudged;
    if (n->next)
        n->next->previous = n;
    r->nudged = n;
    pthread_mutex_unlock(&r->lock);
}

void redis_nudge_remove(struct redis *r, struct nudged *n)
{
    pthread_mutex_lock(&r->lock);
    *(n->previous ? &n->previous->next : &r->nudged) = n->next;
    if (n->next)
        n->next->previous = n->previous;
    pthread_mutex_unlock(&r->lock);
}
