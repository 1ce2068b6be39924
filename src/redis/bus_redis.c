/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A local bus, joined with those of all other processes by one channel. A nudge is given here at
 * once and published for the others; what comes back from ourselves is known by its sender and
 * dropped. So waits inside one process work as fast as without Redis, and also while it is away.
 *
 * Message   SENDER EVENT ID\nDATA. Sender: random, one per open bus. An id has no spaces.
 * Lost      when the subscription was away everybody is told to look again (BUS_AGAIN). While
 *           Redis is slow or away nudges are dropped rather than piled up; when it answers again
 *           the others are told to look again.
 */
#include "redis/cluster.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/text.h"
#include "drivers/redis.h"
#include "redis/keyspace.h"

enum { SENDER_TEXT = 17, DATA_MAX = 64 * 1024, UNDER_WAY_MAX = 512 };

struct shared {
    struct bus bus; /* first: what callers hold */
    struct redis *redis;
    struct bus *local;
    struct redis_ear *ear;
    char sender[SENDER_TEXT];
    char channel[KEY_TEXT];
    _Atomic int under_way; /* nudges that Redis has not answered yet */
    _Atomic int users;     /* those and the one who holds the bus: the last one frees it */
    _Atomic bool lost;     /* some were not published */
    _Atomic bool closed;
};

/* ---- out ---- */

static void leave(struct shared *s)
{
    if (atomic_fetch_sub(&s->users, 1) == 1)
        free(s);
}

static void publish(struct shared *s, const char *id, enum bus_event event, struct str data);

static void published(void *arg, struct redis_reply *reply, UNUSED const struct err *e)
{
    struct shared *s = arg;
    int left = atomic_fetch_sub(&s->under_way, 1) - 1;
    if (!reply)
        atomic_store(&s->lost, true);
    else if (left == 0 && !atomic_load(&s->closed) && atomic_exchange(&s->lost, false))
        publish(s, "", BUS_AGAIN, STR_NULL);
    redis_reply_free(reply);
    leave(s);
}

static void publish(struct shared *s, const char *id, enum bus_event event, struct str data)
{
    CLEANUP(buf_done) struct buf text = { 0 };
    if (atomic_fetch_add(&s->under_way, 1) >= UNDER_WAY_MAX) {
        atomic_fetch_sub(&s->under_way, 1);
        atomic_store(&s->lost, true);
        return;
    }
    buf_addf(&text, "%s %d %s\n", s->sender, (int)event, id);
    buf_add_str(&text, data);
    struct str words[] = { STR("PUBLISH"), str_of(s->channel), buf_str(&text) };
    atomic_fetch_add(&s->users, 1);
    redis_send(s->redis, &(struct redis_call){ .words = words, .count = COUNT_OF(words) }, false,
               published, s);
}

static void shared_announce(struct bus *b, const char *id, enum bus_event event, struct str data)
{
    struct shared *s = (struct shared *)b;
    if (data.len > DATA_MAX)
        data = (struct str){ 0 };
    bus_announce_data(s->local, id, event, data);
    publish(s, id, event, data);
}

/* ---- in ---- */

/* Cut the word before the mark off the text. */
static bool take_word(struct str *text, char mark, struct str *ret)
{
    const char *end = text->len ? memchr(text->ptr, mark, text->len) : NULL;
    if (!end)
        return false;
    *ret = (struct str){ text->ptr, (size_t)(end - text->ptr) };
    *text = (struct str){ end + 1, text->len - ret->len - 1 };
    return true;
}

/* What nobody of us can have sent is ignored: another version may say more. */
static void hear(void *arg, struct str text)
{
    struct shared *s = arg;
    struct str sender, number, name;
    int64_t event;
    char id[64];
    if (!take_word(&text, ' ', &sender) || str_is(sender, s->sender) ||
        !take_word(&text, ' ', &number) || !parse_int(number, &event) || event < 0 ||
        event > BUS_AGAIN || !take_word(&text, '\n', &name) || name.len >= sizeof id)
        return;
    snprintf(id, sizeof id, "%.*s", STR_FMT(name));
    bus_announce_data(s->local, id, (enum bus_event)event, text);
}

static void look_again(void *arg)
{
    struct shared *s = arg;
    bus_announce(s->local, "", BUS_AGAIN);
}

/* ---- the rest is the local bus's ---- */

static struct bus_watch *shared_watch(struct bus *b, const char *id, bus_fn fn, void *arg)
{
    struct shared *s = (struct shared *)b;
    return bus_watch(s->local, id, fn, arg);
}

static void shared_unwatch(struct bus *b, struct bus_watch *w)
{
    struct shared *s = (struct shared *)b;
    bus_unwatch(s->local, w);
}

static void shared_close(struct bus *b)
{
    struct shared *s = (struct shared *)b;
    atomic_store(&s->closed, true);
    redis_deafen(s->ear);
    bus_close(s->local);
    leave(s);
}

static const struct bus_ops ops = {
    .scheme = "redis",
    .announce = shared_announce,
    .watch = shared_watch,
    .unwatch = shared_unwatch,
    .close = shared_close,
};

struct bus *bus_redis_open(struct redis *r, const char *prefix, struct err *e)
{
    struct shared *s = calloc(1, sizeof *s);
    CHECK(s);
    uint8_t dice[SENDER_TEXT / 2];
    random_bytes(dice, sizeof dice);
    hex_text(dice, sizeof dice, s->sender);
    key_name(s->channel, prefix, "bus");
    s->bus.ops = &ops;
    s->redis = r;
    s->users = 1;
    s->local = bus_local_open();
    s->ear = redis_listen(r, s->channel, hear, look_again, s, e);
    if (s->ear)
        return &s->bus;
    shared_close(&s->bus);
    return NULL;
}
