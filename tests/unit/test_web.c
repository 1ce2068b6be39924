/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where requests may go: addresses, URLs, and what Retry-After means. Nothing here touches the
 * network; tests/webhook has the rest.
 */
#include <arpa/inet.h>

#include "base/clock.h"
#include "drivers/web_internal.h"
#include "test.h"

static struct web_guard *guard_of(const char *network)
{
    const char *const texts[] = { network, NULL };
    struct err e;
    struct web_guard *g = web_guard_new(texts, &e);
    if (!g)
        fail_msg("%s", e.text);
    return g;
}

static bool allows(const struct web_guard *g, const char *address)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = { 0 };
    struct err e = { 0 };
    if (inet_pton(AF_INET, address, &a.v4.sin_addr) == 1)
        a.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, address, &a.v6.sin6_addr) == 1)
        a.any.sa_family = AF_INET6;
    else
        fail_msg("%s is no address", address);
    bool ok = web_guard_allows(g, &a.any, &e);
    assert_true(ok || (e.kind == ERR_INVALID && e.text[0]));
    return ok;
}

/* ---- addresses ---- */

static const char *const refused[] = {
    /* IPv4, first and last of each range */
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    /* IPv6 that means no public host */
    "::",
    "::1",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "3fff::1",
    "4000::1",
    "8000::1",
    "1::1",
    "::7f00:1",
    "::2",
    "::ffff:0:127.0.0.1",
    /* IPv4 in IPv6: mapped, translated, tunnelled */
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::127.0.0.1",
    "64:ff9b::192.168.1.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2600::5efe:10.0.0.1",
    "2600::200:5efe:8.8.8.8",
};

static const char *const public[] = {
    "1.0.0.0",         "8.8.8.8",        "9.255.255.255",        "11.0.0.0",
    "100.63.255.255",  "100.128.0.0",    "126.255.255.255",      "128.0.0.0",
    "169.253.255.255", "169.255.0.0",    "172.15.255.255",       "172.32.0.0",
    "192.0.1.0",       "192.0.3.0",      "192.167.255.255",      "192.169.0.0",
    "198.17.255.255",  "198.20.0.0",     "223.255.255.255",      "2606:4700:4700::1111",
    "2a00:1450::1",    "2001:200::1",    "2001:4860:4860::8888", "2003::1",
    "3ffe:ffff::1",    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
};

TEST(addresses_with_another_meaning_are_refused)
{
    CLEANUP(web_guard_free) struct web_guard *g = guard_of(NULL);
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (allows(g, refused[i]))
            fail_msg("%s is let through", refused[i]);
}

TEST(public_addresses_are_let_through)
{
    CLEANUP(web_guard_free) struct web_guard *g = guard_of(NULL);
    for (size_t i = 0; i < COUNT_OF(public); i++)
        if (!allows(g, public[i]))
            fail_msg("%s is refused", public[i]);
}

TEST(other_families_are_refused)
{
    CLEANUP(web_guard_free) struct web_guard *g = guard_of("0.0.0.0/0");
    struct sockaddr local = { .sa_family = AF_UNIX }, none = { .sa_family = AF_UNSPEC };
    struct err e;
    assert_false(web_guard_allows(g, &local, &e));
    assert_false(web_guard_allows(g, &none, &e));
}

TEST(an_allowed_network_is_let_through_and_nothing_beside_it)
{
    CLEANUP(web_guard_free) struct web_guard *g = guard_of("10.1.0.0/16");
    assert_true(allows(g, "10.1.0.0"));
    assert_true(allows(g, "10.1.255.255"));
    assert_true(allows(g, "::ffff:10.1.2.3"));
    assert_true(allows(g, "64:ff9b::10.1.2.3"));
    assert_false(allows(g, "10.2.0.0"));
    assert_false(allows(g, "10.0.255.255"));
    assert_false(allows(g, "2002:a01:203::1"));
    assert_false(allows(g, "::10.1.2.3"));
    assert_true(allows(g, "8.8.8.8"));

    CLEANUP(web_guard_free) struct web_guard *six = guard_of("fd00:1::/31");
    assert_true(allows(six, "fd00:1::1"));
    assert_true(allows(six, "fd00:0:1::"));
    assert_false(allows(six, "fd00:2::"));
    assert_false(allows(six, "10.0.0.1"));

    CLEANUP(web_guard_free) struct web_guard *one = guard_of("127.0.0.1");
    assert_true(allows(one, "127.0.0.1"));
    assert_false(allows(one, "127.0.0.2"));
    CLEANUP(web_guard_free) struct web_guard *all = guard_of("::/0");
    assert_true(allows(all, "fe80::1"));
    assert_false(allows(all, "127.0.0.1"));
}

TEST(a_wrong_network_is_named)
{
    static const char *const bad[] = { "10.0.0.0/33", "10.0.0/8", "fd00::/129",  "10.0.0.0/-1",
                                       "10.0.0.0/",   "x",        "10.0.0.0/8x", "",
                                       "10.0.0.0/+8", "localhost" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const char *const texts[] = { "10.0.0.0/8", bad[i], NULL };
        struct err e = { 0 };
        if (web_guard_new(texts, &e))
            fail_msg("%s is taken", bad[i]);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_non_null(strstr(e.text, bad[i]));
    }
}

/* ---- URLs ---- */

static bool url_passes(const struct web_guard *g, const char *url)
{
    struct err e = { 0 };
    bool ok = web_url_check(g, url, &e);
    assert_true(ok || (e.kind == ERR_INVALID && e.text[0]));
    return ok;
}

TEST(urls_of_receivers_are_taken)
{
    static const char *const good[] = {
        "http://example.com",
        "https://example.com/",
        "HTTPS://Example.COM:8443/hook?a=1&b=%20#fragment",
        "https://example.com./hook",
        "http://8.8.8.8/",
        "http://[2606:4700:4700::1111]:81/x",
        "https://a_b-c.example.com/~x/(y)",
        "https://xn--bcher-kva.example/",
        "https://1.example.com/@user",
        "http://example.com:1/",
        "http://example.com:65535",
    };
    CLEANUP(web_guard_free) struct web_guard *g = guard_of(NULL);
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!url_passes(g, good[i]))
            fail_msg("%s is refused", good[i]);
}

TEST(urls_that_are_none_of_ours_are_refused)
{
    static const char *const bad[] = {
        "",
        "example.com",
        "//example.com/",
        "/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com:70/_x",
        "unix:/run/x.sock",
        "dict://example.com",
        "javascript:alert(1)",
        "ws://example.com/",
        "http:example.com",
        "http:/example.com",
        "http:///example.com",
        "http://",
        "http://:80/",
        "http://?x",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://@example.com/",
        "http://example.com:80@127.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "http://127.0.0.1\\.example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:http/",
        "http://exa mple.com/",
        "http://example.com/a b",
        "http://example.com/\r\nX: y",
        "http://example.com/\x01",
        "http://b\xc3\xbc"
        "cher.example/",
        "http://example%2ecom%00.example/",
        "http://.example.com/",
        "http://example..com/",
        "http://./",
        "http://[::1",
        "http://[fe80::1%25eth0]/",
        "http://[example.com]/",
        "http://[v1.x]/",
        "http://exam|ple.com/",
        "http://example.com/a\\b",
    };
    CLEANUP(web_guard_free) struct web_guard *g = guard_of("127.0.0.0/8");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (url_passes(g, bad[i]))
            fail_msg("%s is taken", bad[i]);
}

TEST(addresses_in_urls_are_seen_in_any_notation)
{
    static const char *const bad[] = {
        "http://127.0.0.1/",
        "http://127.0.0.1./",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0X7F.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0/",
        "http://0.0.0.0:80/",
        "http://0x0a000001/",
        "http://2852039166/latest/meta-data", /* 169.254.169.254 */
        "http://0251.0376.0251.0376/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:7f00:1::]/",
        "http://[2001::1]/",
        "http://192.168.1.1:8080/hook",
        "http://%31%32%37.0.0.1/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://x.localhost:99/",
    };
    CLEANUP(web_guard_free) struct web_guard *g = guard_of(NULL);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (url_passes(g, bad[i]))
            fail_msg("%s is taken", bad[i]);

    CLEANUP(web_guard_free) struct web_guard *here = guard_of("127.0.0.0/8");
    for (size_t i = 0; i < 9; i++)
        if (!url_passes(here, bad[i]))
            fail_msg("%s is refused where it is allowed", bad[i]);
    assert_true(url_passes(here, "http://localhost:80/"));
    assert_false(url_passes(here, "http://[::1]/"));
}

TEST(a_very_long_url_is_refused)
{
    char url[4096];
    CLEANUP(web_guard_free) struct web_guard *g = guard_of(NULL);
    memset(url, 'a', sizeof url);
    memcpy(url, "http://example.com/", 19);
    url[WEB_URL - 1] = '\0';
    assert_true(url_passes(g, url));
    url[WEB_URL - 1] = 'a';
    url[WEB_URL] = '\0';
    assert_false(url_passes(g, url));
    url[sizeof url - 1] = '\0';
    assert_false(url_passes(g, url));
    memset(url + 7, 'b', 300); /* a host of more than 253 bytes */
    url[400] = '\0';
    assert_false(url_passes(g, url));
}

TEST(what_is_connected_to_is_what_was_looked_at)
{
    struct err e;
    CLEANUP(web_target_done) struct web_target t = { 0 };
    MUST(web_target_read("http://0x7f.1:81/a?b#c", &t, &e));
    assert_true(t.literal);
    assert_string_equal(t.host, "127.0.0.1");
    assert_int_equal(t.port, 81);
    char *text = NULL;
    assert_int_equal(curl_url_get(t.url, CURLUPART_URL, &text, 0), CURLUE_OK);
    assert_string_equal(text, "http://127.0.0.1:81/a?b#c");
    curl_free(text);

    CLEANUP(web_target_done) struct web_target name = { 0 };
    MUST(web_target_read("https://EXAMPLE.com./", &name, &e));
    assert_false(name.literal);
    assert_true(name.tls);
    assert_string_equal(name.host, "example.com");
    assert_int_equal(curl_url_get(name.url, CURLUPART_URL, &text, 0), CURLUE_OK);
    assert_string_equal(text, "https://example.com/");
    curl_free(text);
    assert_int_equal(name.port, 443);
}

static const char *receiver_of(const char *url)
{
    static char out[264];
    assert_true(web_url_receiver(url, out, sizeof out));
    return out;
}

TEST(a_receiver_is_a_host_and_a_port)
{
    assert_string_equal(receiver_of("http://Example.com/a"), "example.com:80");
    assert_string_equal(receiver_of("https://example.com./b?c"), "example.com:443");
    assert_string_equal(receiver_of("http://0x7f.1:9/"), "127.0.0.1:9");
    assert_string_equal(receiver_of("http://[::0001]:9/"), "::1:9");
    char out[8];
    assert_false(web_url_receiver("nothing", out, sizeof out));
}

static void take_user(const char *url, const char *wanted_plain, const char *wanted_user)
{
    CLEANUP(buf_done) struct buf plain = { 0 }, user = { 0 };
    assert_true(web_url_take_user(url, &plain, &user));
    assert_string_equal(buf_str(&plain).ptr, wanted_plain);
    assert_string_equal(buf_str(&user).ptr, wanted_user);
}

TEST(credentials_are_taken_out_of_a_url)
{
    take_user("http://example.com/x?y=a@b", "http://example.com/x?y=a@b", "");
    take_user("http://me:s%40me@example.com:81/x", "http://example.com:81/x", "me:s@me");
    take_user("https://me@example.com/", "https://example.com/", "me:");
    take_user("not a url", "not a url", "");
}

/* ---- Retry-After ---- */

TEST(retry_after_is_seconds_or_a_date)
{
    const int64_t now = INT64_C(1445412480) * US_PER_S; /* Wed, 21 Oct 2015 07:28:00 GMT */
    assert_int_equal(web_retry_after(STR("120"), now), 120 * US_PER_S);
    assert_int_equal(web_retry_after(STR(" 0 \r\n"), now), 0);
    assert_int_equal(web_retry_after(STR("Wed, 21 Oct 2015 07:28:30 GMT"), now), 30 * US_PER_S);
    assert_int_equal(web_retry_after(STR("Wednesday, 21-Oct-15 07:29:00 GMT"), now), 60 * US_PER_S);
    assert_int_equal(web_retry_after(STR("Wed Oct 21 07:29:00 2015"), now), 60 * US_PER_S);
    assert_int_equal(web_retry_after(STR("Wed, 21 Oct 2015 07:00:00 GMT"), now), 0);
}

TEST(a_retry_after_that_says_nothing_is_none_and_a_huge_one_is_bounded)
{
    const int64_t now = INT64_C(1445412480) * US_PER_S, year = INT64_C(366) * 86400 * US_PER_S;
    assert_int_equal(web_retry_after(STR(""), now), -1);
    assert_int_equal(web_retry_after(STR("soon"), now), -1);
    assert_int_equal(web_retry_after(STR("-5"), now), -1);
    assert_int_equal(web_retry_after(STR("1.5x"), now), -1);
    assert_int_equal(web_retry_after(STR("99999999999999999999999999"), now), year);
    assert_int_equal(web_retry_after(STR("9223372036854775807"), now), year);
    assert_int_equal(web_retry_after(STR("Wed, 21 Oct 9999 07:28:00 GMT"), now), year);
}

RUN_TESTS(T(addresses_with_another_meaning_are_refused), T(public_addresses_are_let_through),
          T(other_families_are_refused), T(an_allowed_network_is_let_through_and_nothing_beside_it),
          T(a_wrong_network_is_named), T(urls_of_receivers_are_taken),
          T(urls_that_are_none_of_ours_are_refused), T(addresses_in_urls_are_seen_in_any_notation),
          T(a_very_long_url_is_refused), T(what_is_connected_to_is_what_was_looked_at),
          T(a_receiver_is_a_host_and_a_port), T(credentials_are_taken_out_of_a_url),
          T(retry_after_is_seconds_or_a_date),
          T(a_retry_after_that_says_nothing_is_none_and_a_huge_one_is_bounded))
