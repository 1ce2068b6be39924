/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the thread. Commands wait here until it stands, are written all together, and
 * fly in the order their answers will come.
 *
 * Time-outs. A command that was not answered in time fails, but its place stays: the answer that
 * comes late is dropped, so none is taken for another's. When nothing at all came for that long
 * although something is under way, the connection is given up: a server that hangs is treated as
 * one that is gone. While it cannot be had again for longer than a time-out, commands fail at once
 * rather than each waiting its own.
 *
 * Kept commands. WAIT speaks about all writes of its connection before it, so one follows every
 * batch on a connection that only kept commands use; their answers are held until its own comes.
 */
#include "drivers/redis_internal.h"

#include <errno.h>

#include "base/clock.h"
#include "base/hash.h"

enum { UNSENT_MAX = 1 << 20 };
static const int64_t pause_first_us = 10 * US_PER_MS, pause_most_us = US_PER_S;

/* ---- commands ---- */

void commands_init(struct commands *q)
{
    *q = (struct commands){ .end = &q->first };
}

void commands_add(struct commands *q, struct command *c)
{
    c->next = NULL;
    *q->end = c;
    q->end = &c->next;
    q->count++;
}

struct command *commands_take(struct commands *q)
{
    struct command *c = q->first;
    if (!c)
        return NULL;
    q->first = c->next;
    if (!q->first)
        q->end = &q->first;
    q->count--;
    c->next = NULL;
    return c;
}

struct command *command_new(const struct redis_call *call, int64_t due_us)
{
    size_t len = call_size(call);
    struct command *c = malloc(sizeof *c + len);
    CHECK(c);
    *c = (struct command){ .script = call->script,
                           .due_us = due_us,
                           .slot = SLOT_ANY,
                           .len = len,
                           .bytes = (char *)(c + 1) };
    call_name(call, c->name, sizeof c->name);
    call_write(call, c->bytes);
    return c;
}

void command_free(struct command *c)
{
    if (c->held)
        freeReplyObject(c->held);
    if (c->as_eval)
        free(c->bytes);
    free(c);
}

void command_fail(struct redis *r, struct command *c, const struct err *e)
{
    if (c->inside)
        c->inside(r, c, NULL, e);
    else if (!c->given_up && c->done)
        c->done(c->arg, NULL, e);
    command_free(c);
}

static void command_answer(struct redis *r, struct command *c, redisReply *reply)
{
    struct err e = { 0 };
    if (c->inside) {
        c->inside(r, c, reply, NULL);
    } else if (c->given_up || !c->done) {
        freeReplyObject(reply);
    } else if (reply_is_error(reply)) {
        reply_err(reply, c->name, &e);
        freeReplyObject(reply);
        c->done(c->arg, NULL, &e);
    } else {
        c->done(c->arg, reply_of(reply), NULL);
    }
    command_free(c);
}

static void fail_all(struct redis *r, struct commands *q, const struct err *e)
{
    /* What fails may send again: only those here now. */
    struct commands now = *q;
    if (!now.first)
        return;
    commands_init(q);
    for (struct command *c; (c = commands_take(&now));)
        command_fail(r, c, e);
}

/* ---- life ---- */

struct link *link_new(struct redis *r, struct node *n, bool kept)
{
    struct link *l = calloc(1, sizeof *l);
    CHECK(l);
    l->redis = r;
    l->node = n;
    l->kept = kept;
    l->poll_at = -1;
    redis_wire_init(&l->wire);
    commands_init(&l->waiting);
    commands_init(&l->flying);
    commands_init(&l->held);
    l->down_us = mono_us();
    return l;
}

void link_free(struct link *l, const struct err *why)
{
    if (!l)
        return;
    fail_all(l->redis, &l->held, why);
    fail_all(l->redis, &l->flying, why);
    fail_all(l->redis, &l->waiting, why);
    lookup_leave(l->lookup);
    redis_wire_free(&l->wire);
    free(l);
}

/* Half to all of the pause, so that a thousand clients do not come back in step. */
static int64_t jitter(int64_t us)
{
    uint32_t dice;
    random_bytes(&dice, sizeof dice);
    return us / 2 + (int64_t)(dice % 1024) * (us / 2) / 1024;
}

/* The connection is no more; e is why. */
static void link_lose(struct link *l, const struct err *e, int64_t now)
{
    char place[PLACE_TEXT];
    struct err why = *e;
    place_text(&l->node->place, place);
    if (l->node->place.host[0])
        err_add(&why, "%s", place);

    bool stood = l->state == LINK_READY;
    lookup_leave(TAKE(l->lookup));
    redis_wire_close(&l->wire);
    l->state = LINK_DOWN;
    l->loaded_count = 0;
    l->unwaited = 0;
    l->due = NULL;
    l->trouble = why;
    if (stood) {
        l->down_us = now;
        l->pause_us = 0;
    } else {
        l->tried = true;
        l->refused = e->kind == ERR_INVALID;
        l->pause_us = l->pause_us ? MIN(l->pause_us * 2, pause_most_us) : pause_first_us;
    }
    l->retry_us = now + (l->pause_us ? jitter(l->pause_us) : 0);

    why.kind = l->refused ? ERR_INVALID : ERR_UNAVAILABLE;
    fail_all(l->redis, &l->held, &why);
    fail_all(l->redis, &l->flying, &why);
    if (l->refused)
        fail_all(l->redis, &l->waiting, &why);
    finder_doubt(l->redis->finder, l, now);
}

void link_again(struct link *l, const struct err *why, int64_t now)
{
    if (l->state != LINK_DOWN)
        link_lose(l, why, now);
    l->retry_us = MIN(l->retry_us, now);
}

/* ---- connecting ---- */

static void try_address(struct link *l, int64_t now)
{
    struct err e = { 0 };
    struct redis *r = l->redis;
    struct wire_setup setup = { r->tls, &l->node->place, r->timeout_us };
    for (; l->address < l->addresses.count; l->address++) {
        int i = l->address;
        if (!redis_wire_open(&l->wire, &setup, &l->addresses.list[i], l->addresses.sizes[i], &e))
            continue;
        bool sentinel = finder_is_sentinel(r->finder, l);
        greeting_begin(&l->greeting, &r->url, sentinel, &l->wire.out);
        l->state = l->wire.connecting ? LINK_CONNECTING : LINK_GREETING;
        l->deadline_us = now + r->timeout_us;
        return;
    }
    link_lose(l, &e, now);
}

static void lookup_over(struct link *l, int64_t now)
{
    struct err e = { 0 };
    enum got got = lookup_result(l->lookup, &l->addresses, &e);
    if (got == GOT_NONE && now < l->deadline_us)
        return;
    if (got == GOT_NONE) {
        lookup_leave(l->lookup);
        err_set(&e, ERR_UNAVAILABLE, "redis: name %s: no answer", l->node->place.host);
    }
    l->lookup = NULL;
    l->address = 0;
    if (got == GOT_ONE)
        try_address(l, now);
    else
        link_lose(l, &e, now);
}

void link_found(struct link *l, int64_t now)
{
    struct err e = { 0 };
    l->address = 0;
    l->deadline_us = now + l->redis->timeout_us;
    if (place_address(&l->node->place, &l->addresses)) {
        try_address(l, now);
        return;
    }
    l->lookup = lookup_start(&l->node->place, l->redis->wake_fd, &e);
    if (!l->lookup)
        link_lose(l, &e, now);
}

void link_lost(struct link *l, const struct err *why, int64_t now)
{
    link_lose(l, why, now);
}

static void broke(struct link *l, const struct err *e, int64_t now)
{
    if (l->state == LINK_CONNECTING && l->address + 1 < l->addresses.count) {
        l->address++;
        try_address(l, now);
    } else {
        link_lose(l, e, now);
    }
}

static void stand(struct link *l, int64_t now)
{
    l->state = LINK_READY;
    if (l->stood)
        atomic_fetch_add(&l->redis->reconnects, 1);
    l->stood = true;
    l->tried = false;
    l->refused = false;
    l->pause_us = 0;
    l->trouble = (struct err){ 0 };
    l->heard_us = now;
    l->stood_us = now;
    finder_stands(l->redis->finder, l, now);
}

/* ---- sending ---- */

/* Away for so long that nobody should wait for it. */
static bool link_broken(const struct link *l, int64_t now)
{
    return l->state != LINK_READY && l->tried &&
           (l->refused || now - l->down_us >= l->redis->timeout_us);
}

void link_take(struct link *l, struct command *c, int64_t now)
{
    if (!link_broken(l, now)) {
        commands_add(&l->waiting, c);
        return;
    }
    struct err e = l->trouble;
    e.kind = l->refused ? ERR_INVALID : ERR_UNAVAILABLE;
    command_fail(l->redis, c, &e);
}

/* An internal command right here on the wire. */
static void put_inside(struct link *l, struct str bytes,
                       void (*inside)(struct redis *, struct command *, redisReply *,
                                      const struct err *),
                       void *arg)
{
    struct command *c = calloc(1, sizeof *c);
    CHECK(c);
    c->given_up = true; /* has no time-out of its own */
    c->inside = inside;
    c->arg = arg;
    buf_add_str(&l->wire.out, bytes);
    commands_add(&l->flying, c);
}

static void drop_answer(UNUSED struct redis *r, UNUSED struct command *c, redisReply *reply,
                        UNUSED const struct err *e)
{
    if (reply)
        freeReplyObject(reply);
}

/* The first time on this connection the text goes ahead, so that EVALSHA finds it. */
static void load_script(struct link *l, struct redis_script *script)
{
    for (size_t i = 0; i < l->loaded_count; i++)
        if (l->loaded[i] == script)
            return;
    if (l->loaded_count == SCRIPTS_MAX)
        return; /* NOSCRIPT does it */
    l->loaded[l->loaded_count++] = script;
    CLEANUP(buf_done) struct buf load = { 0 };
    WORDS_ADD(&load, "SCRIPT", "LOAD", script->text);
    put_inside(l, buf_str(&load), drop_answer, NULL);
}

static void put_command(struct link *l, struct command *c)
{
    if (c->script && !c->as_eval)
        load_script(l, c->script);
    if (c->asking)
        put_inside(l, STR("*1\r\n$6\r\nASKING\r\n"), drop_answer, NULL);
    c->asking = false;
    buf_add(&l->wire.out, c->bytes, c->len);
    commands_add(&l->flying, c);
    if (!l->due && !c->given_up)
        l->due = c;
    if (l->kept)
        l->unwaited++;
}

/* The replicas have, or have not, what was answered before this. */
static void wait_answered(struct redis *r, struct command *c, redisReply *reply,
                          const struct err *e)
{
    struct link *l = c->arg;
    if (!reply) /* the connection broke, and took the held ones with it */
        return;
    struct commands held = l->held;
    commands_init(&l->held);
    struct err why = { 0 };
    bool ok = reply->type == REDIS_REPLY_INTEGER && reply->integer >= r->replicas;
    if (reply_is_error(reply))
        reply_err(reply, "WAIT", &why);
    else if (!ok)
        err_set(&why, ERR_UNAVAILABLE, "redis: kept by %lld of %d replicas", reply->integer,
                r->replicas);
    freeReplyObject(reply);
    (void)e;
    if (!held.first)
        return;
    for (struct command *kept; (kept = commands_take(&held));) {
        if (ok)
            command_answer(r, kept, TAKE(kept->held));
        else
            command_fail(r, kept, &why);
    }
}

static void put_wait(struct link *l)
{
    char replicas[16], ms[24];
    struct redis *r = l->redis;
    CLEANUP(buf_done) struct buf wait = { 0 };
    snprintf(replicas, sizeof replicas, "%d", r->replicas);
    snprintf(ms, sizeof ms, "%lld", (long long)MAX(r->timeout_us / 2 / US_PER_MS, 1));
    WORDS_ADD(&wait, "WAIT", replicas, ms);
    put_inside(l, buf_str(&wait), wait_answered, l);
    l->unwaited = 0;
}

static void send_waiting(struct link *l, int64_t now)
{
    struct err e = { 0 };
    if (!l->waiting.first && redis_wire_unsent(&l->wire) == 0)
        return;
    if (!l->flying.first)
        l->heard_us = now; /* silence begins to count here */
    while (l->waiting.first && redis_wire_unsent(&l->wire) < UNSENT_MAX)
        put_command(l, commands_take(&l->waiting));
    if (l->unwaited)
        put_wait(l);
    if (!redis_wire_flush(&l->wire, &e))
        broke(l, &e, now);
}

/* ---- time ---- */

static bool timed_out(struct link *l, const char *what, struct err *e)
{
    return err_set(e, ERR_UNAVAILABLE, "redis: %s for %lld ms", what,
                   (long long)(l->redis->timeout_us / US_PER_MS));
}

static void command_late(struct link *l, struct command *c, const char *what)
{
    struct err e = { 0 };
    if (l->state != LINK_READY && l->trouble.kind)
        e = l->trouble;
    else
        timed_out(l, what, &e);
    e.sys = ETIMEDOUT;
    e.kind = ERR_UNAVAILABLE;
    err_add(&e, "%s", c->name);
    if (c->done)
        c->done(c->arg, NULL, &e);
    c->given_up = true;
}

static void expire_waiting(struct link *l, int64_t now)
{
    while (l->waiting.first && l->waiting.first->due_us <= now) {
        struct command *c = commands_take(&l->waiting);
        if (!c->inside && !c->given_up)
            command_late(l, c, "no connection");
        if (c->inside)
            command_fail(l->redis, c, &l->trouble);
        else
            command_free(c);
    }
}

static void next_due(struct link *l)
{
    while (l->due && l->due->given_up)
        l->due = l->due->next;
}

static void expire_flying(struct link *l, int64_t now)
{
    for (next_due(l); l->due && l->due->due_us <= now; next_due(l))
        command_late(l, l->due, "no answer");
}

static bool is_silent(const struct link *l, int64_t now)
{
    return l->flying.first && now - l->heard_us >= l->redis->timeout_us;
}

void link_drive(struct link *l, int64_t now)
{
    struct err e = { 0 };
    if (l->state == LINK_DOWN && now >= l->retry_us) {
        l->state = LINK_FINDING;
        finder_find(l->redis->finder, l, now);
    }
    if (l->lookup)
        lookup_over(l, now);
    if ((l->state == LINK_CONNECTING || l->state == LINK_GREETING) && now >= l->deadline_us) {
        timed_out(l, l->state == LINK_CONNECTING ? "no connection" : "no answer", &e);
        broke(l, &e, now);
    }
    if (l->state == LINK_READY)
        send_waiting(l, now);
    expire_flying(l, now);
    expire_waiting(l, now);
    if (l->state == LINK_READY && is_silent(l, now)) {
        timed_out(l, "no answer", &e);
        link_lose(l, &e, now);
    }
}

int64_t link_next(const struct link *l)
{
    int64_t next = INT64_MAX;
    if (l->state == LINK_DOWN)
        next = l->retry_us;
    else if (l->state == LINK_CONNECTING || l->state == LINK_GREETING || l->lookup)
        next = l->deadline_us;
    if (l->waiting.first)
        next = MIN(next, l->waiting.first->due_us);
    if (l->flying.first)
        next = MIN(next, l->heard_us + l->redis->timeout_us);
    for (const struct command *c = l->due; c; c = c->next)
        if (!c->given_up)
            return MIN(next, c->due_us);
    return next;
}

/* ---- answers ---- */

/* The server forgot the script: send it whole. */
static bool send_whole(struct link *l, struct command *c)
{
    if (!c->script || c->as_eval || c->given_up)
        return false;
    CLEANUP(buf_done) struct buf whole = { 0 };
    script_as_eval(c->script, (struct str){ c->bytes, c->len }, &whole);
    c->bytes = TAKE(whole.ptr);
    c->len = whole.len;
    c->as_eval = true;
    commands_add(&l->waiting, c);
    return true;
}

/* An error answer that need not be the last word. */
static bool sent_again(struct link *l, struct command *c, const redisReply *reply, int64_t now)
{
    if (!reply_is_error(reply) || c->inside)
        return false;
    if (reply_code_is(reply, "NOSCRIPT"))
        return send_whole(l, c);
    return finder_sends_on(l->redis->finder, l, c, reply, now);
}

static void take_answer(struct link *l, redisReply *reply, int64_t now)
{
    struct command *c = commands_take(&l->flying);
    if (l->due == c)
        l->due = c->next ? c->next : l->flying.first;
    if (sent_again(l, c, reply, now)) {
        freeReplyObject(reply);
    } else if (l->kept && !c->inside && !reply_is_error(reply)) {
        c->held = reply;
        commands_add(&l->held, c);
    } else {
        command_answer(l->redis, c, reply);
    }
}

static bool take_greeting(struct link *l, const redisReply *reply, int64_t now, struct err *e)
{
    enum got got = greeting_answer(&l->greeting, reply, e);
    if (got == GOT_ONE)
        stand(l, now);
    return got != GOT_FAILED;
}

static bool take_answers(struct link *l, int64_t now, struct err *e)
{
    redisReply *reply;
    while (l->wire.fd >= 0) { /* an answer may have closed it */
        enum got got = redis_wire_reply(&l->wire, &reply, e);
        if (got != GOT_ONE)
            return got == GOT_NONE;
        if (l->state == LINK_GREETING) {
            bool ok = take_greeting(l, reply, now, e);
            freeReplyObject(reply);
            if (!ok)
                return false;
        } else if (l->flying.first) {
            take_answer(l, reply, now);
        } else {
            err_set(e, ERR_UNAVAILABLE, "redis: %s",
                    reply_is_error(reply) ? reply->str : "an answer to nothing");
            freeReplyObject(reply);
            return false;
        }
    }
    return true;
}

void link_move(struct link *l, short revents, int64_t now)
{
    struct err e = { 0 };
    bool heard;
    bool ok = redis_wire_move(&l->wire, revents, &heard, &e);
    if (l->state == LINK_CONNECTING && !l->wire.connecting)
        l->state = LINK_GREETING;
    if (heard) {
        struct err wrong = { 0 };
        l->heard_us = now;
        /* What came before the connection broke counts, and says more about why. */
        if (!take_answers(l, now, &wrong)) {
            e = wrong;
            ok = false;
        }
    }
    if (!ok && l->wire.fd >= 0)
        broke(l, &e, now);
}
