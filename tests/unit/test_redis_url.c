/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "drivers/redis_internal.h"

static void parse(const char *url, struct redis_url *u)
{
    struct err e = { 0 };
    MUST(redis_url_parse(url, u, &e));
}

static void refused(const char *url, const char *why)
{
    struct redis_url u = { 0 };
    struct err e = { 0 };
    if (redis_url_parse(url, &u, &e))
        fail_msg("%s was taken", url);
    assert_int_equal(e.kind, ERR_INVALID);
    if (!strstr(e.text, why))
        fail_msg("%s: %s", url, e.text);
    assert_null(u.places);
}

TEST(one_server_has_its_usual_port_and_database)
{
    CLEANUP(redis_url_done) struct redis_url u = { 0 };
    parse("redis://cache.example", &u);
    assert_int_equal(u.mode, URL_SERVER);
    assert_false(u.tls);
    assert_int_equal(u.count, 1);
    assert_string_equal(u.places[0].host, "cache.example");
    assert_int_equal(u.places[0].port, 6379);
    assert_int_equal(u.database, 0);
    assert_null(u.user);
    assert_null(u.password);
}

TEST(user_password_database_and_options_are_read)
{
    CLEANUP(redis_url_done) struct redis_url u = { 0 };
    parse("rediss://al%3aice:p%40s@s:w%2F@[::1]:7000/3?ca=/a%20b.pem&cert=c&key=k", &u);
    assert_true(u.tls);
    assert_string_equal(u.user, "al:ice");
    assert_string_equal(u.password, "p@s@s:w/");
    assert_string_equal(u.places[0].host, "::1");
    assert_int_equal(u.places[0].port, 7000);
    assert_int_equal(u.database, 3);
    assert_string_equal(u.ca, "/a b.pem");
    assert_string_equal(u.cert, "c");
    assert_string_equal(u.key, "k");
}

TEST(a_password_needs_no_user)
{
    CLEANUP(redis_url_done) struct redis_url u = { 0 };
    parse("redis://:secret@h", &u);
    assert_null(u.user);
    assert_string_equal(u.password, "secret");
}

TEST(a_cluster_and_sentinel_have_several_hosts)
{
    CLEANUP(redis_url_done) struct redis_url c = { 0 };
    parse("redis+cluster://a,b:7001,[fe80::1]:7002", &c);
    assert_int_equal(c.mode, URL_CLUSTER);
    assert_int_equal(c.count, 3);
    assert_int_equal(c.places[0].port, 6379);
    assert_string_equal(c.places[2].host, "fe80::1");

    CLEANUP(redis_url_done) struct redis_url s = { 0 };
    parse("redis+sentinel://:pw@s1,s2:5000/my%20jobs/2?sentinel_password=x&sentinel_user=y", &s);
    assert_int_equal(s.mode, URL_SENTINEL);
    assert_int_equal(s.places[0].port, 26379);
    assert_int_equal(s.places[1].port, 5000);
    assert_string_equal(s.primary, "my jobs");
    assert_string_equal(s.password, "pw");
    assert_string_equal(s.sentinel_password, "x");
    assert_string_equal(s.sentinel_user, "y");
    assert_int_equal(s.database, 2);
}

TEST(a_unix_socket_is_a_path)
{
    CLEANUP(redis_url_done) struct redis_url u = { 0 };
    parse("unix:///run/redis%20one.sock?db=4&password=p", &u);
    assert_string_equal(u.places[0].host, "/run/redis one.sock");
    assert_int_equal(u.places[0].port, 0);
    assert_int_equal(u.database, 4);
    assert_string_equal(u.password, "p");
}

TEST(what_is_wrong_is_named_and_never_the_password)
{
    static const struct {
        const char *url, *why;
    } cases[] = {
        { NULL, "must begin with" },
        { "", "must begin with" },
        { "http://x", "must begin with" },
        { "redis://", "host" },
        { "redis://:6379", "host" },
        { "redis://h:0", "port" },
        { "redis://h:65536", "port" },
        { "redis://h:6379x", "port" },
        { "redis://h:", "port" },
        { "redis://h:+1", "port" },
        { "redis://[::1", "host" },
        { "redis://[::1]x", "port" },
        { "redis://a,b", "several hosts" },
        { "redis://h/x", "database" },
        { "redis://h/-1", "database" },
        { "redis://h/1/2", "database" },
        { "redis+cluster://a,b/1", "database 0 alone" },
        { "redis+cluster://a,,b", "host" },
        { "redis+cluster://a,", "host" },
        { "redis+sentinel://a", "primary's name" },
        { "redis+sentinel://a/", "primary's name" },
        { "redis://user@h", "user without a password" },
        { "redis://u:s3cret%@h", "%-code" },
        { "redis://u:s3cret%zz@h", "%-code" },
        { "redis://u:s3cret%00@h", "%-code" },
        { "redis://h?ca=x", "without TLS" },
        { "rediss://h?ca=", "no value" },
        { "rediss://h?cert=x", "belong together" },
        { "redis://h?color=red", "unknown option" },
        { "redis://h?user=x", "user without a password" },
        { "redis://u:s3cret@a b", "space" },
        { "unix://relative", "begin with /" },
        { "unix://", "begin with /" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct redis_url u = { 0 };
        struct err e = { 0 };
        refused(cases[i].url, cases[i].why);
        assert_false(redis_url_parse(cases[i].url, &u, &e));
        assert_null(strstr(e.text, "s3cret"));
    }
}

TEST(places_are_written_as_they_are_read)
{
    char text[PLACE_TEXT];
    place_text(&(struct place){ "h", 1 }, text);
    assert_string_equal(text, "h:1");
    place_text(&(struct place){ "::1", 6379 }, text);
    assert_string_equal(text, "[::1]:6379");
    place_text(&(struct place){ "/run/s", 0 }, text);
    assert_string_equal(text, "/run/s");
}

RUN_TESTS(T(one_server_has_its_usual_port_and_database),
          T(user_password_database_and_options_are_read), T(a_password_needs_no_user),
          T(a_cluster_and_sentinel_have_several_hosts), T(a_unix_socket_is_a_path),
          T(what_is_wrong_is_named_and_never_the_password), T(places_are_written_as_they_are_read))
