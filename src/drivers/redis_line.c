/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that belongs to whoever calls: it connects, sends and waits in the caller's own
 * thread. Where to connect to is what the driver's thread knows; while that does not know either,
 * the line sleeps until it is nudged. An answer that is no longer waited for could be taken for the
 * next one's, so a wait that ends early closes the connection.
 */
#include "drivers/redis_internal.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"

enum { HOPS_MAX = 8 };

struct redis_line {
    struct redis *redis;
    struct nudged nudge; /* its fd wakes the wait */
    struct wire wire;
    struct place place; /* where it is connected to */
    bool ready;
    struct place moved; /* a cluster's node said so; host "": none did */
    bool asking;
    bool nudged_now;    /* by the driver's thread, and not looked at yet */
    int64_t until_us;   /* of this call */
    int64_t patient_us; /* until then it waits for a server that is known to be away */

    pthread_mutex_t lock; /* guards what follows */
    bool woken;
};

struct redis_line *redis_line_new(struct redis *r)
{
    struct redis_line *l = calloc(1, sizeof *l);
    CHECK(l);
    l->redis = r;
    l->nudge.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(l->nudge.fd >= 0);
    redis_wire_init(&l->wire);
    pthread_mutex_init(&l->lock, NULL);
    redis_nudge_add(r, &l->nudge);
    return l;
}

void redis_line_free(struct redis_line *l)
{
    if (!l)
        return;
    redis_nudge_remove(l->redis, &l->nudge);
    redis_wire_free(&l->wire);
    fd_close(l->nudge.fd);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void redis_line_wake(struct redis_line *l)
{
    pthread_mutex_lock(&l->lock);
    l->woken = true;
    eventfd_write(l->nudge.fd, 1);
    pthread_mutex_unlock(&l->lock);
}

static bool was_woken(struct redis_line *l)
{
    pthread_mutex_lock(&l->lock);
    bool woken = l->woken;
    l->woken = false;
    pthread_mutex_unlock(&l->lock);
    return woken;
}

static void hang_up(struct redis_line *l)
{
    redis_wire_close(&l->wire);
    l->ready = false;
}

/* ---- sleeping ---- */

static bool fail_woken(struct err *e)
{
    err_set(e, ERR_UNAVAILABLE, "redis: woken");
    e->sys = EINTR;
    return false;
}

static bool fail_late(struct err *e)
{
    err_set(e, ERR_UNAVAILABLE, "redis: no answer in time");
    e->sys = ETIMEDOUT;
    return false;
}

/* For ever, or the whole time, and a little late rather than early. */
static int sleep_ms(int64_t until_us)
{
    if (until_us == INT64_MAX)
        return -1;
    return (int)MIN((MAX(until_us - mono_us(), 0) + US_PER_MS - 1) / US_PER_MS, 60000);
}

/* Until the wire moves (ret: how), a nudge comes, or it is time. False: woken, or over. */
static bool wait_for(struct redis_line *l, int64_t until_us, short *ret, struct err *e)
{
    for (;;) {
        struct pollfd polls[2] = { { l->nudge.fd, POLLIN, 0 }, { l->wire.fd, 0, 0 } };
        nfds_t count = l->wire.fd >= 0 ? 2 : 1;
        if (count == 2)
            polls[1].events = redis_wire_events(&l->wire);
        if (until_us <= mono_us())
            return fail_late(e);
        int ready = poll(polls, count, sleep_ms(until_us));
        if (ready <= 0)
            continue;
        *ret = count == 2 ? polls[1].revents : 0;
        if (polls[0].revents) {
            eventfd_t ignored;
            eventfd_read(l->nudge.fd, &ignored);
            l->nudged_now = true;
            if (was_woken(l))
                return fail_woken(e);
        }
        return true;
    }
}

/* ---- connecting ---- */

static bool greet(struct redis_line *l, int64_t until_us, struct err *e)
{
    struct greeting greeting;
    greeting_begin(&greeting, &l->redis->url, false, &l->wire.out);
    for (;;) {
        short events;
        bool heard;
        redisReply *reply;
        enum got got = GOT_NONE;
        if (!wait_for(l, until_us, &events, e) || !redis_wire_move(&l->wire, events, &heard, e))
            return false;
        while (got == GOT_NONE && (got = redis_wire_reply(&l->wire, &reply, e)) == GOT_ONE) {
            got = greeting_answer(&greeting, reply, e);
            freeReplyObject(reply);
            if (got != GOT_NONE)
                return got == GOT_ONE;
        }
        if (got == GOT_FAILED)
            return false;
    }
}

/* As quick as the resolver, but a wake ends it. */
static bool find_addresses(struct redis_line *l, const struct place *place, struct addresses *ret,
                           struct err *e)
{
    enum got got = GOT_NONE;
    if (place_address(place, ret))
        return true;
    struct lookup *lookup = lookup_start(place, l->nudge.fd, e);
    if (!lookup)
        return false;
    int64_t until_us = MIN(l->until_us, mono_us() + l->redis->timeout_us);
    while ((got = lookup_result(lookup, ret, e)) == GOT_NONE) {
        short events;
        if (wait_for(l, until_us, &events, e))
            continue;
        lookup_leave(lookup);
        return false;
    }
    return got == GOT_ONE;
}

static bool connect_to(struct redis_line *l, const struct place *place, struct err *e)
{
    struct redis *r = l->redis;
    struct addresses a;
    struct wire_setup setup = { r->tls, place, r->timeout_us };
    char text[PLACE_TEXT];
    place_text(place, text);
    hang_up(l);
    if (!find_addresses(l, place, &a, e))
        return false;
    for (int i = 0; i < a.count; i++) {
        int64_t until_us = MIN(l->until_us, mono_us() + r->timeout_us);
        if (redis_wire_open(&l->wire, &setup, &a.list[i], a.sizes[i], e) && greet(l, until_us, e)) {
            l->place = *place;
            l->ready = true;
            return true;
        }
        hang_up(l);
        if (e->sys == EINTR)
            return false;
    }
    return err_add(e, "%s", text);
}

/* Nothing is under way, so nothing may be there to read: bytes or an end mean that it is no good.
 */
static bool is_quiet(const struct redis_line *l)
{
    struct pollfd p = { l->wire.fd, POLLIN | POLLRDHUP, 0 };
    return poll(&p, 1, 0) == 0;
}

/* Where to, as far as is known now. */
static enum got place_now(struct redis_line *l, int slot, struct place *ret, struct err *e)
{
    if (!l->moved.host[0])
        return redis_place(l->redis, slot, ret, e);
    *ret = l->moved;
    return GOT_ONE;
}

/*
 * Stand at the place a slot is at. While nobody answers there the driver's thread is asked to look
 * again, and pauses grow.
 */
static bool get_ready(struct redis_line *l, int slot, struct err *e)
{
    int64_t pause_us = 10 * US_PER_MS;
    struct err trouble = { 0 };
    for (;;) {
        struct place place;
        short events;
        enum got got = place_now(l, slot, &place, &trouble);
        if (got == GOT_ONE && l->ready && place_eq(&place, &l->place) && is_quiet(l))
            return true;
        if (got == GOT_ONE && connect_to(l, &place, &trouble))
            return true;
        if (trouble.sys == EINTR || trouble.kind == ERR_INVALID) {
            *e = trouble;
            return false;
        }
        l->moved = (struct place){ 0 };
        int64_t until_us = got == GOT_ONE ? MIN(l->until_us, mono_us() + pause_us) : l->until_us;
        if (got == GOT_ONE)
            redis_doubt(l->redis);
        if (got == GOT_FAILED && mono_us() >= l->patient_us) {
            *e = trouble;
            return false;
        }
        if (got == GOT_FAILED)
            until_us = l->patient_us;
        pause_us = MIN(pause_us * 2, US_PER_S);
        if (wait_for(l, until_us, &events, e) || (e->sys == ETIMEDOUT && mono_us() < l->until_us))
            continue;
        if (e->sys == ETIMEDOUT && trouble.kind)
            *e = trouble;
        return false;
    }
}

/* ---- asking ---- */

/* The server this line hangs on is not the one to talk to any more: the map has changed. */
static bool is_elsewhere(struct redis_line *l, int slot)
{
    struct place place;
    struct err ignored = { 0 };
    bool nudged = l->nudged_now;
    l->nudged_now = false;
    return nudged && redis_place(l->redis, slot, &place, &ignored) == GOT_ONE &&
           !l->moved.host[0] && !place_eq(&place, &l->place);
}

static bool one_answer(struct redis_line *l, int slot, redisReply **ret, struct err *e)
{
    for (;;) {
        short events;
        bool heard;
        enum got got = redis_wire_reply(&l->wire, ret, e);
        if (got != GOT_NONE)
            return got == GOT_ONE;
        if (!wait_for(l, l->until_us, &events, e))
            return false;
        if (is_elsewhere(l, slot))
            return err_set(e, ERR_UNAVAILABLE, "redis: the server is not the primary any more");
        if (events && !redis_wire_move(&l->wire, events, &heard, e))
            return false;
    }
}

/* Send bytes and wait. The connection is closed when there is no answer. */
static redisReply *exchange(struct redis_line *l, struct str bytes, bool asking, int slot,
                            struct err *e)
{
    redisReply *reply = NULL;
    if (asking)
        WORDS_ADD(&l->wire.out, "ASKING");
    buf_add_str(&l->wire.out, bytes);
    bool ok = redis_wire_flush(&l->wire, e);
    if (ok && asking) {
        ok = one_answer(l, slot, &reply, e);
        if (ok)
            freeReplyObject(reply);
    }
    if (ok && one_answer(l, slot, &reply, e))
        return reply;
    hang_up(l);
    if (e->sys != EINTR && e->sys != ETIMEDOUT)
        redis_doubt(l->redis);
    return NULL;
}

/* "MOVED 3999 host:port" and ASK: where to go instead. */
static bool read_moved(struct redis_line *l, const redisReply *reply)
{
    int slot;
    return reply_place(reply, &l->place, &slot, &l->moved);
}

/* One try. ret_again: the answer says to try again, otherwise. */
static redisReply *try_once(struct redis_line *l, const struct redis_call *call, struct buf *bytes,
                            bool *again, struct err *e)
{
    int slot = call_slot(call);
    bool asking = *again && l->asking;
    *again = false;
    if (!get_ready(l, slot, e))
        return NULL;
    redisReply *reply = exchange(l, buf_str(bytes), asking, slot, e);
    l->moved = (struct place){ 0 };
    l->asking = false;
    if (!reply || !reply_is_error(reply))
        return reply;

    if (reply_code_is(reply, "NOSCRIPT") && call->script) {
        CLEANUP(buf_done) struct buf whole = { 0 };
        script_as_eval(call->script, buf_str(bytes), &whole);
        buf_reset(bytes);
        buf_add_str(bytes, buf_str(&whole));
        *again = true;
    } else if (reply_code_is(reply, "MOVED") || reply_code_is(reply, "ASK")) {
        l->asking = reply_code_is(reply, "ASK");
        *again = read_moved(l, reply);
        redis_doubt(l->redis);
    } else if (reply_code_is(reply, "READONLY")) {
        hang_up(l);
        redis_doubt(l->redis);
    }
    return reply;
}

struct redis_reply *redis_line_ask(struct redis_line *l, const struct redis_call *call,
                                   int64_t wait_us, struct err *e)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    char name[24];
    bool again = false;
    redisReply *reply = NULL;
    call_add(&bytes, call);
    call_name(call, name, sizeof name);
    l->patient_us = mono_us() + wait_us;
    l->until_us = l->patient_us + l->redis->timeout_us;
    for (int hops = 0; hops < HOPS_MAX; hops++) {
        reply = try_once(l, call, &bytes, &again, e);
        if (!reply) {
            err_add(e, "%s", name);
            e->kind = e->kind == ERR_INVALID ? ERR_INVALID : ERR_UNAVAILABLE;
            return NULL;
        }
        if (!again)
            break;
        if (hops + 1 < HOPS_MAX)
            freeReplyObject(reply);
    }
    if (!reply_is_error(reply))
        return reply_of(reply);
    reply_err(reply, name, e);
    freeReplyObject(reply);
    return NULL;
}

/* ---- for ears ---- */

redisReply *line_listen(struct redis_line *l, struct err *e)
{
    redisReply *reply = NULL;
    l->until_us = INT64_MAX;
    if (one_answer(l, SLOT_ANY, &reply, e))
        return reply;
    hang_up(l);
    if (e->sys != EINTR)
        redis_doubt(l->redis);
    return NULL;
}

void line_pause(struct redis_line *l, int64_t us)
{
    short events;
    struct err ignored = { 0 };
    if (!wait_for(l, mono_us() + us, &events, &ignored))
        return;
}
