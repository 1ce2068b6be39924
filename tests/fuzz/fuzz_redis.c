/* SPDX-License-Identifier: Apache-2.0 */
/* A Redis URL is refused with a sentence, or means something: hosts, ports, texts that end. And a
 * key is in a slot, a MOVED leads to a place. */
#include "drivers/redis_internal.h"
#include "fuzz.h"

static void url_means_something(const char *text)
{
    CLEANUP(redis_url_done) struct redis_url u = { 0 };
    struct err e = { 0 };
    if (!redis_url_parse(text, &u, &e)) {
        CHECK(e.kind == ERR_INVALID && e.text[0] && !u.places);
        return;
    }
    CHECK(u.count > 0 && u.database >= 0 && (!u.user || u.password) && !u.cert == !u.key);
    CHECK(u.mode != URL_SENTINEL || (u.primary && u.primary[0]));
    for (size_t i = 0; i < u.count; i++) {
        char shown[PLACE_TEXT];
        place_text(&u.places[i], shown);
        CHECK(u.places[i].host[0] && u.places[i].port >= 0 && u.places[i].port < 65536);
        CHECK(u.places[i].port > 0 || u.places[i].host[0] == '/');
        CHECK(place_eq(&u.places[i], &u.places[i]));
    }
}

static void moved_leads_somewhere(char *text, size_t len)
{
    int slot = -1;
    struct place p, asked = { "127.0.0.1", 1 };
    redisReply reply = { .type = REDIS_REPLY_ERROR, .str = text, .len = len };
    if (reply_place(&reply, &asked, &slot, &p))
        CHECK(slot >= 0 && slot < SLOTS && p.host[0] && p.port > 0 && p.port < 65536);
    struct err e;
    CHECK(!reply_err(&reply, "X", &e) && e.text[0]);
}

FUZZ(text)
{
    CLEANUP(buf_done) struct buf copy = { 0 };
    buf_add_str(&copy, text);
    buf_reserve(&copy, 1);
    url_means_something(copy.ptr);
    moved_leads_somewhere(copy.ptr, strlen(copy.ptr));
    int slot = key_slot(text);
    CHECK(slot >= 0 && slot < SLOTS);
}
