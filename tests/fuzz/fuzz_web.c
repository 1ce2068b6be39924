/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What strangers choose: URLs of receivers, Retry-After headers, and networks as operators write
 * them. The first byte says which: u a URL, r a Retry-After, n a network.
 */
#include <arpa/inet.h>

#include "base/arena.h"
#include "base/clock.h"
#include "drivers/web_internal.h"
#include "fuzz.h"

static struct web_guard *nobody(void)
{
    static struct web_guard *g;
    struct err e;
    if (!g)
        g = web_guard_new(NULL, &e);
    CHECK(g);
    return g;
}

/* What we made of a host, read by curl again from the URL it will use, is the same. */
static void check_target(const struct web_target *t)
{
    char *host = NULL, *user = NULL, bare[WEB_HOST + 2];
    CHECK(t->port > 0 && t->port < 65536 && t->host[0]);
    CHECK(curl_url_get(t->url, CURLUPART_USER, &user, 0) != CURLUE_OK);
    CHECK(curl_url_get(t->url, CURLUPART_HOST, &host, 0) == CURLUE_OK);
    bool v6 = host[0] == '[';
    snprintf(bare, sizeof bare, "%.*s", v6 ? (int)strlen(host) - 2 : (int)strlen(host), host + v6);
    CHECK(strcasecmp(bare, t->host) == 0);
    struct in_addr v4;
    CHECK(t->literal || inet_aton(t->host, &v4) == 0); /* no other notation slips through */
    curl_free(host);
}

static void try_url(const char *url)
{
    struct err e = { 0 };
    CLEANUP(web_target_done) struct web_target t = { 0 };
    CLEANUP(buf_done) struct buf plain = { 0 }, user = { 0 };
    char receiver[264];
    bool ok = web_target_read(url, &t, &e);
    CHECK(ok || (e.kind == ERR_INVALID && e.text[0]));
    CHECK(web_url_receiver(url, receiver, sizeof receiver) == ok);
    bool passes = web_url_check(nobody(), url, &e);
    CHECK(ok || !passes);
    if (ok) {
        check_target(&t);
        CHECK(!t.literal ||
              passes == web_guard_allows(nobody(), (const struct sockaddr *)&t.address, &e));
    }
    if (web_url_take_user(url, &plain, &user) && user.len) {
        struct web_target rest = { 0 };
        if (web_target_read(buf_str(&plain).ptr, &rest, &e))
            check_target(&rest);
        web_target_done(&rest);
    }
}

static void try_retry_after(struct str text)
{
    int64_t after = web_retry_after(text, INT64_C(1445412480) * US_PER_S);
    CHECK(after >= -1 && after <= INT64_C(366) * 24 * 3600 * US_PER_S);
}

static void try_network(const char *text)
{
    const char *const texts[] = { text, NULL };
    struct err e = { 0 };
    CLEANUP(web_guard_free) struct web_guard *g = web_guard_new(texts, &e);
    CHECK(g || (e.kind == ERR_INVALID && e.text[0]));
}

FUZZ(text)
{
    if (!text.len)
        return;
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct str rest = { text.ptr + 1, text.len - 1 };
    const char *copy = arena_str(&arena, rest).ptr;
    if (text.ptr[0] == 'u')
        try_url(copy);
    else if (text.ptr[0] == 'r')
        try_retry_after(rest);
    else if (text.ptr[0] == 'n')
        try_network(copy);
}
