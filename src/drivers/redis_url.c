/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor walks over the URL from left to right: scheme, user and password, hosts, path, options.
 * What is percent-coded is decoded piece by piece, so an "@" in a password may be written %40.
 * Errors name the part, never the text: it may hold a password.
 */
#include "drivers/redis_internal.h"

#include <sys/un.h>

#include "base/text.h"

enum { HOSTS_MAX = 64, URL_MAX = 8192 };

struct scheme {
    const char *name;
    enum url_mode mode;
    bool tls, local;
    int port;
};

static const struct scheme schemes[] = {
    { "redis://", URL_SERVER, false, false, 6379 },
    { "rediss://", URL_SERVER, true, false, 6379 },
    { "redis+cluster://", URL_CLUSTER, false, false, 6379 },
    { "rediss+cluster://", URL_CLUSTER, true, false, 6379 },
    { "redis+sentinel://", URL_SENTINEL, false, false, 26379 },
    { "rediss+sentinel://", URL_SENTINEL, true, false, 26379 },
    { "unix://", URL_SERVER, false, true, 0 },
};

static const struct scheme *scheme_of(struct str *rest)
{
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        if (!str_starts(*rest, schemes[i].name))
            continue;
        size_t len = strlen(schemes[i].name);
        *rest = (struct str){ rest->ptr + len, rest->len - len };
        return &schemes[i];
    }
    return NULL;
}

/* Cut rest at the first of the marks: what is before it is returned, rest begins with the mark. */
static struct str cut(struct str *rest, const char *marks)
{
    size_t len = 0;
    while (len < rest->len && !strchr(marks, rest->ptr[len]))
        len++;
    struct str head = { rest->ptr, len };
    *rest = (struct str){ rest->ptr + len, rest->len - len };
    return head;
}

static void skip(struct str *rest, size_t len)
{
    *rest = (struct str){ rest->ptr + len, rest->len - len };
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded, as a C string. NULL: broken, or with a zero byte inside. */
static const char *decode(struct arena *a, struct str s)
{
    char *out = arena_get(a, s.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int high = i + 2 < s.len ? hex_of(s.ptr[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_of(s.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NULL;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0')
            return NULL;
        out[len++] = c;
    }
    return out;
}

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID, "redis URL: %s", what);
}

/* "user:password@"; the last "@" before the path ends it, so that a bare one in a password works.
 */
static bool read_user(struct redis_url *u, struct str *rest, struct err *e)
{
    struct str authority = *rest;
    authority = cut(&authority, "/?");
    size_t at = authority.len;
    while (at > 0 && authority.ptr[at - 1] != '@')
        at--;
    if (at == 0)
        return true;

    struct str user = { authority.ptr, at - 1 };
    struct str password = user;
    user = cut(&password, ":");
    if (password.len)
        skip(&password, 1);
    skip(rest, at);
    if (!password.len)
        return bad(e, "a user without a password (write user:password@, or :password@)");
    u->password = decode(&u->arena, password);
    u->user = user.len ? decode(&u->arena, user) : NULL;
    if (!u->password || (user.len && !u->user))
        return bad(e, "user or password has a broken %-code");
    return true;
}

/* "[::1]" or a name; rest is what follows. */
static struct str read_name(struct str *text)
{
    if (!text->len || text->ptr[0] != '[')
        return cut(text, ":");
    skip(text, 1);
    struct str name = cut(text, "]");
    if (text->len)
        skip(text, 1);
    else
        name.len = 0;
    return name;
}

static bool read_host(struct place *p, struct str text, int fallback, struct err *e)
{
    struct str name = read_name(&text);
    if (!name.len || name.len >= sizeof p->host || memchr(name.ptr, '\0', name.len))
        return bad(e, "a host is missing or too long");
    if (memchr(name.ptr, '%', name.len) || memchr(name.ptr, ' ', name.len))
        return bad(e, "a host has characters that no host has");
    memcpy(p->host, name.ptr, name.len);

    int64_t port = fallback;
    if (text.len) {
        bool is_port = text.ptr[0] == ':';
        skip(&text, 1);
        if (!is_port || !text.len || text.ptr[0] < '0' || text.ptr[0] > '9' ||
            !parse_int(text, &port) || port < 1 || port > 65535)
            return bad(e, "a port must be a number from 1 to 65535");
    }
    p->port = (int)port;
    return true;
}

static bool read_hosts(struct redis_url *u, struct str *rest, int fallback, struct err *e)
{
    struct str all = cut(rest, "/?");
    u->places = arena_array(&u->arena, HOSTS_MAX, sizeof *u->places);
    do {
        if (u->count == HOSTS_MAX)
            return bad(e, "more than 64 hosts");
        if (u->count && u->mode == URL_SERVER)
            return bad(e, "several hosts, but not redis+cluster:// nor redis+sentinel://");
        if (!read_host(&u->places[u->count], cut(&all, ","), fallback, e))
            return false;
        u->count++;
        if (!all.len)
            return true;
        skip(&all, 1);
    } while (true);
}

static bool read_database(struct redis_url *u, struct str text, struct err *e)
{
    if (!text.len)
        return true;
    if (text.ptr[0] < '0' || text.ptr[0] > '9' || !parse_int(text, &u->database) ||
        u->database > 1000000)
        return bad(e, "the database must be a number");
    if (u->mode == URL_CLUSTER && u->database != 0)
        return bad(e, "a cluster has database 0 alone");
    return true;
}

/* "/name/database" of Sentinel, "/database" of the others. */
static bool read_path(struct redis_url *u, struct str *rest, struct err *e)
{
    struct str path = cut(rest, "?");
    if (path.len)
        skip(&path, 1);
    if (u->mode == URL_SENTINEL) {
        struct str name = cut(&path, "/");
        u->primary = name.len ? decode(&u->arena, name) : NULL;
        if (!u->primary)
            return bad(e, "the primary's name is missing (redis+sentinel://host:26379/NAME)");
        if (path.len)
            skip(&path, 1);
    }
    return read_database(u, path, e);
}

static bool read_socket(struct redis_url *u, struct str *rest, struct err *e)
{
    struct str path = cut(rest, "?");
    const char *text = path.len && path.ptr[0] == '/' ? decode(&u->arena, path) : NULL;
    if (!text || strlen(text) >= sizeof((struct sockaddr_un){ 0 }).sun_path)
        return bad(e, "the path of the socket must begin with / and have at most 107 bytes");
    u->places = arena_array(&u->arena, 1, sizeof *u->places);
    u->count = 1;
    snprintf(u->places[0].host, sizeof u->places[0].host, "%s", text);
    return true;
}

static bool read_option(struct redis_url *u, struct str name, struct str value, struct err *e)
{
    static const struct {
        const char *name;
        size_t offset;
        bool tls;
    } texts[] = {
        { "ca", offsetof(struct redis_url, ca), true },
        { "cert", offsetof(struct redis_url, cert), true },
        { "key", offsetof(struct redis_url, key), true },
        { "user", offsetof(struct redis_url, user), false },
        { "password", offsetof(struct redis_url, password), false },
        { "sentinel_user", offsetof(struct redis_url, sentinel_user), false },
        { "sentinel_password", offsetof(struct redis_url, sentinel_password), false },
    };

    if (str_is(name, "db"))
        return read_database(u, value, e);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!str_is(name, texts[i].name))
            continue;
        if (texts[i].tls && !u->tls)
            return err_set(e, ERR_INVALID, "redis URL: option %s without TLS (rediss://)",
                           texts[i].name);
        const char **to = (const char **)((char *)u + texts[i].offset);
        *to = value.len ? decode(&u->arena, value) : NULL;
        if (!*to)
            return err_set(e, ERR_INVALID, "redis URL: option %s has no value", texts[i].name);
        return true;
    }
    return bad(e, "an unknown option (there are db, user, password, ca, cert, key, "
                  "sentinel_user, sentinel_password)");
}

static bool read_options(struct redis_url *u, struct str rest, struct err *e)
{
    while (rest.len) {
        skip(&rest, 1); /* ? or & */
        struct str value = cut(&rest, "&");
        if (!value.len)
            continue;
        struct str name = cut(&value, "=");
        if (value.len)
            skip(&value, 1);
        if (!read_option(u, name, value, e))
            return false;
    }
    if (!u->cert != !u->key)
        return bad(e, "options cert and key belong together");
    if (u->user && !u->password)
        return bad(e, "a user without a password");
    if (u->sentinel_user && !u->sentinel_password)
        return bad(e, "sentinel_user without sentinel_password");
    return true;
}

static bool read_url(struct redis_url *u, struct str rest, struct err *e)
{
    const struct scheme *scheme = scheme_of(&rest);
    if (!scheme)
        return bad(e, "it must begin with redis://, rediss://, redis+cluster://, "
                      "redis+sentinel:// or unix:///");
    u->mode = scheme->mode;
    u->tls = scheme->tls;
    if (scheme->local)
        return read_socket(u, &rest, e) && read_options(u, rest, e);
    return read_user(u, &rest, e) && read_hosts(u, &rest, scheme->port, e) &&
           read_path(u, &rest, e) && read_options(u, rest, e);
}

bool redis_url_parse(const char *url, struct redis_url *ret, struct err *e)
{
    CLEANUP(redis_url_done) struct redis_url u = { 0 };
    struct str text = str_of(url ? url : "");
    if (text.len > URL_MAX)
        return bad(e, "longer than 8192 bytes");
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return bad(e, "a space or a control character inside (write it as a %-code)");
    if (!read_url(&u, text, e))
        return false;
    *ret = u;
    u = (struct redis_url){ 0 };
    return true;
}

void redis_url_done(struct redis_url *u)
{
    arena_done(&u->arena);
    *u = (struct redis_url){ 0 };
}

void place_text(const struct place *p, char out[PLACE_TEXT])
{
    if (p->port == 0)
        snprintf(out, PLACE_TEXT, "%s", p->host);
    else if (strchr(p->host, ':'))
        snprintf(out, PLACE_TEXT, "[%.255s]:%d", p->host, p->port % 100000);
    else
        snprintf(out, PLACE_TEXT, "%.255s:%d", p->host, p->port % 100000);
}

bool place_eq(const struct place *a, const struct place *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}
