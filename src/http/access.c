/* SPDX-License-Identifier: Apache-2.0 */
#include "http/access.h"

#include <arpa/inet.h>
#include <strings.h>

#include "base/hash.h"
#include "http/judge0.h"

static const char blanks[] = " \t\r\n";

/* The next word at *at, which moves behind it; STR_NULL at the end. */
static struct str next_word(const char **at)
{
    if (!*at)
        return STR_NULL;
    *at += strspn(*at, blanks);
    struct str word = { *at, strcspn(*at, blanks) };
    *at += word.len;
    return word.len ? word : STR_NULL;
}

bool words_have(const char *words, const char *text)
{
    bool found = false;
    for (struct str word; (word = next_word(&words)).ptr;)
        found |= secret_eq(word, str_of(text)); /* all of them, always */
    return found;
}

/* ---- addresses ---- */

/* Loopback, private and link-local: where our own proxies are. */
static bool is_private(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        uint32_t a = ntohl(v4.s_addr);
        return a >> 24 == 127 || a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8;
    }
    if (inet_pton(AF_INET6, address, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) || (v6.s6_addr[0] & 0xfe) == 0xfc;
    return false;
}

/* The nearest address in the list that is no proxy of ours; the farthest when all are. */
static const char *forwarded_client(struct request *r, const char *list)
{
    const char *found = r->client;
    for (size_t end = strlen(list); end > 0;) {
        size_t start = end;
        while (start > 0 && list[start - 1] != ',')
            start--;
        struct str item = { list + start, end - start };
        end = start ? start - 1 : 0;
        while (item.len && strchr(blanks, item.ptr[0]))
            item = (struct str){ item.ptr + 1, item.len - 1 };
        while (item.len && strchr(blanks, item.ptr[item.len - 1]))
            item.len--;
        struct in6_addr ignored;
        const char *address = arena_str(&r->arena, item).ptr;
        if (inet_pton(AF_INET, address, &ignored) != 1 &&
            inet_pton(AF_INET6, address, &ignored) != 1)
            break;
        found = address;
        if (!is_private(found))
            break;
    }
    return found;
}

static const char *client_of(struct request *r)
{
    const char *list = request_header(r, "X-Forwarded-For");
    return list && is_private(r->client) ? forwarded_client(r, list) : r->client;
}

/* Whether a list, less the other, holds any word at all. */
static bool any_left(const char *list, const char *less)
{
    for (struct str word; (word = next_word(&list)).ptr;) {
        char text[64];
        snprintf(text, sizeof text, "%.*s", STR_FMT(word));
        if (!words_have(less, text))
            return true;
    }
    return false;
}

bool access_ip(struct request *r)
{
    const struct judge0_config *c = &r->context->config.judge0;
    const char *client = client_of(r);
    bool allowed = words_have(c->allow_ip, client), refused = words_have(c->disallow_ip, client);
    if (refused && !allowed)
        return false;
    return (allowed && !refused) || !any_left(c->allow_ip, c->disallow_ip);
}

/* ---- tokens ---- */

static const char *bearer(const struct request *r)
{
    const char *value = request_header(r, "Authorization");
    if (!value || strncasecmp(value, "Bearer ", 7) != 0)
        return NULL;
    return value + 7 + strspn(value + 7, " ");
}

static bool token_known(const struct request *r, const char *token)
{
    const struct http_config *c = &r->context->config;
    bool known = token && words_have(c->judge0.authn_token, token);
    for (const char *const *t = c->auth_tokens; token && t && *t; t++)
        known |= secret_eq(str_of(*t), str_of(token));
    return known;
}

static bool is_blank(const char *words)
{
    return !next_word(&words).ptr;
}

/* The token a request came with, valid; NULL: none. */
static const char *valid_token(const struct request *r)
{
    const char *name = r->context->config.judge0.authn_header;
    const char *const tokens[] = { request_header(r, name), bearer(r), judge0_param(r, name) };
    for (size_t i = 0; i < COUNT_OF(tokens); i++)
        if (token_known(r, tokens[i]))
            return tokens[i];
    return NULL;
}

bool access_authn(const struct request *r)
{
    const struct http_config *c = &r->context->config;
    if (is_blank(c->judge0.authn_token) && !(c->auth_tokens && *c->auth_tokens))
        return true;
    return valid_token(r) != NULL;
}

const char *access_tenant(const struct request *r, struct arena *arena)
{
    const char *token = valid_token(r);
    if (!token)
        return NULL;
    char text[HASH_TEXT];
    struct hash *h = hash_new();
    hash_add(h, STR("tenant"));
    hash_add(h, str_of(token));
    hash_finish(h, text);
    return arena_str(arena, (struct str){ text, 16 }).ptr;
}

static bool is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 &&
           (IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127));
}

/* A proxy on this machine brings the whole world, a browser every page it shows, and a webhook of
 * ours goes where a client wants it. */
static bool from_this_machine(const struct request *r)
{
    static const char *const others[] = { "X-Forwarded-For", "Forwarded", "X-Real-IP", "Via",
                                          "Origin",          "webhook-id" };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (request_header(r, others[i]))
            return false;
    return is_loopback(r->client);
}

/* All of them, always: how long it takes says nothing. */
static bool is_among(const char *const *tokens, const char *given)
{
    bool known = false;
    for (const char *const *t = tokens; given && *t; t++)
        known |= secret_eq(str_of(*t), str_of(given));
    return known;
}

bool access_bearer(const struct request *r, const char *const *tokens)
{
    return is_among(tokens, bearer(r));
}

bool access_operator(struct request *r)
{
    const struct http_config *c = &r->context->config;
    if (!c->admin_tokens || !*c->admin_tokens)
        return from_this_machine(r);
    bool by_bearer = is_among(c->admin_tokens, bearer(r));
    return is_among(c->admin_tokens, request_header(r, c->judge0.authn_header)) || by_bearer;
}

bool access_authz(const struct request *r)
{
    const struct judge0_config *c = &r->context->config.judge0;
    const char *header = request_header(r, c->authz_header);
    const char *param = judge0_param(r, c->authz_header);
    return (header && words_have(c->authz_token, header)) ||
           (param && words_have(c->authz_token, param));
}

/* ---- origins ---- */

/* An entry with a scheme is the whole origin; a bare host is http and https. */
static bool origin_listed(const char *words, const char *origin)
{
    for (struct str word; (word = next_word(&words)).ptr;) {
        struct str rest = str_of(origin);
        if (str_eq(word, rest))
            return true;
        const char *scheme = str_starts(rest, "https://") ? "https://" : "http://";
        size_t len = strlen(scheme);
        if (str_starts(rest, scheme) &&
            str_eq(word, (struct str){ rest.ptr + len, rest.len - len }))
            return true;
    }
    return false;
}

static bool origin_refused(const char *words, const char *origin)
{
    for (struct str word; (word = next_word(&words)).ptr;)
        if (memmem(origin, strlen(origin), word.ptr, word.len))
            return true;
    return false;
}

void access_cors(struct request *r)
{
    const struct judge0_config *c = &r->context->config.judge0;
    const char *origin = request_header(r, "Origin");
    reply_header(r, "Vary", "Origin");
    if (!origin)
        return;

    bool any = is_blank(c->allow_origin) && is_blank(c->disallow_origin);
    bool passes = any || origin_listed(c->allow_origin, origin) ||
                  (!is_blank(c->disallow_origin) && !origin_refused(c->disallow_origin, origin));
    if (!passes)
        return;
    reply_header(r, "Access-Control-Allow-Origin", any ? "*" : arena_text(&r->arena, origin));
    reply_header(r, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    reply_header(r, "Access-Control-Expose-Headers", "");
    reply_header(r, "Access-Control-Max-Age", "7200");
    const char *asked = request_header(r, "Access-Control-Request-Headers");
    if (access_is_preflight(r) && asked)
        reply_header(r, "Access-Control-Allow-Headers", arena_text(&r->arena, asked));
}

bool access_is_preflight(const struct request *r)
{
    return r->method == METHOD_OPTIONS && request_header(r, "Origin") &&
           request_header(r, "Access-Control-Request-Method");
}
