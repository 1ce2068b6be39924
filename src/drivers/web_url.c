/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs, taken apart by the parser that will also connect: two parsers that differ are how guards
 * are passed by. libcurl's is generous, so what it makes of a URL is held against a narrow form:
 * two slashes, no credentials, a host of letters, digits, dots, hyphens and underscores or an
 * address. A host that is an address in any notation (2130706433, 0x7f.1, 0177.0.0.1) is written
 * back as that address, so nothing behind us reads it another way.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <strings.h>

#include "base/text.h"
#include "drivers/web_internal.h"

static bool bad(struct err *e, const char *why)
{
    return err_set(e, ERR_INVALID, "the URL %s", why);
}

/* ---- the text ---- */

static const char *behind_scheme(const char *url)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
            return url + strlen(schemes[i]);
    return NULL;
}

static bool text_check(const char *url, struct err *e)
{
    if (strlen(url) >= WEB_URL)
        return err_set(e, ERR_INVALID, "the URL is longer than %d bytes", WEB_URL - 1);
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '\\')
            return bad(e, "holds a character that must be percent-encoded (a host name: punycode)");
    const char *authority = behind_scheme(url);
    if (!authority)
        return bad(e, "must begin with http:// or https://");
    size_t len = strcspn(authority, "/?#");
    if (len == 0)
        return bad(e, "names no host");
    if (memchr(authority, '@', len))
        return bad(e, "must not hold credentials");
    return true;
}

/* ---- the host ---- */

static bool host_check(const char *host, struct err *e)
{
    size_t len = strlen(host);
    if (len == 0 || len > 253)
        return bad(e, "names no host, or one longer than 253 bytes");
    for (const char *p = host; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(".-_", *p))
            return bad(e, "holds a character that no host name has (international ones: punycode)");
    if (host[0] == '.' || strstr(host, ".."))
        return bad(e, "has a host name with an empty part");
    return true;
}

/* "0x7f.1" too: getaddrinfo() knows every notation that anybody else may know. */
static bool literal_read(const char *host, struct sockaddr_storage *ret)
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    *ret = (struct sockaddr_storage){ 0 };
    memcpy(ret, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

static void literal_text(const struct sockaddr_storage *address, char *out, size_t size)
{
    const void *bytes = address->ss_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    inet_ntop(address->ss_family, bytes, out, (socklen_t)size);
}

static bool host_read(struct web_target *t, char *text, struct err *e)
{
    size_t len = strlen(text);
    bool v6 = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (v6) {
        text[len - 1] = '\0';
        text++;
        if (!literal_read(text, &t->address) || strchr(text, '%'))
            return bad(e, "has brackets around what is no IPv6 address");
        t->literal = true;
    } else {
        if (len > 1 && text[len - 1] == '.')
            text[len - 1] = '\0';
        if (!host_check(text, e))
            return false;
        t->literal = literal_read(text, &t->address);
    }
    if (t->literal)
        literal_text(&t->address, t->host, sizeof t->host);
    else
        for (size_t i = 0; i == 0 || text[i - 1]; i++)
            t->host[i] = (char)tolower((unsigned char)text[i]);
    return true;
}

/* ---- the whole ---- */

void web_target_done(struct web_target *t)
{
    curl_url_cleanup(t->url);
    t->url = NULL;
}

/* A part, or NULL: free with curl_free(). */
static char *part_of(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

static bool port_read(struct web_target *t, struct err *e)
{
    char *text = part_of(t->url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    int64_t port = 0;
    bool ok = text && parse_int(str_of(text), &port) && port > 0 && port < 65536;
    curl_free(text);
    t->port = (int)port;
    return ok || bad(e, "has a port that is none");
}

static bool parts_read(struct web_target *t, struct err *e)
{
    char *scheme = part_of(t->url, CURLUPART_SCHEME, 0);
    t->tls = scheme && strcasecmp(scheme, "https") == 0;
    curl_free(scheme);

    char *zone = part_of(t->url, CURLUPART_ZONEID, 0);
    bool has_zone = zone != NULL;
    curl_free(zone);
    if (has_zone)
        return bad(e, "has an address with a zone");

    char *host = part_of(t->url, CURLUPART_HOST, 0);
    bool ok = host ? host_read(t, host, e) : bad(e, "names no host");
    curl_free(host);
    if (!ok || !port_read(t, e))
        return false;

    char set[WEB_HOST + 2];
    bool v6 = t->literal && t->address.ss_family == AF_INET6;
    snprintf(set, sizeof set, v6 ? "[%.*s]" : "%.*s", WEB_HOST - 1, t->host);
    return curl_url_set(t->url, CURLUPART_HOST, set, 0) == CURLUE_OK ||
           bad(e, "has a host that is none");
}

bool web_target_read(const char *url, struct web_target *ret, struct err *e)
{
    CLEANUP(web_target_done) struct web_target t = { 0 };
    if (!text_check(url, e))
        return false;
    t.url = curl_url();
    CHECK(t.url);
    CURLUcode why = curl_url_set(t.url, CURLUPART_URL, url, 0);
    if (why != CURLUE_OK)
        return err_set(e, ERR_INVALID, "the URL cannot be read: %s", curl_url_strerror(why));
    if (!parts_read(&t, e))
        return false;
    *ret = t;
    t.url = NULL;
    return true;
}

/* What resolves to this machine wherever it is looked up (RFC 6761). */
static bool is_localhost(const char *host)
{
    size_t len = strlen(host), own = strlen("localhost");
    return len >= own && strcmp(host + len - own, "localhost") == 0 &&
           (len == own || host[len - own - 1] == '.');
}

static bool localhost_allowed(const struct web_guard *g, struct err *e)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct err ignored;
    return web_guard_allows(g, (const struct sockaddr *)&v6, &ignored) ||
           web_guard_allows(g, (const struct sockaddr *)&v4, e);
}

bool web_url_check(const struct web_guard *g, const char *url, struct err *e)
{
    CLEANUP(web_target_done) struct web_target t = { 0 };
    if (!web_target_read(url, &t, e))
        return false;
    if (t.literal)
        return web_guard_allows(g, (const struct sockaddr *)&t.address, e);
    return !is_localhost(t.host) || localhost_allowed(g, e);
}

bool web_url_receiver(const char *url, char *out, size_t size)
{
    CLEANUP(web_target_done) struct web_target t = { 0 };
    struct err ignored;
    if (!web_target_read(url, &t, &ignored))
        return false;
    snprintf(out, size, "%s:%d", t.host, t.port);
    return true;
}

/* ---- credentials ---- */

static void add_decoded(struct buf *out, CURLU *url, CURLUPart part)
{
    char *text = part_of(url, part, CURLU_URLDECODE);
    if (text)
        buf_add_text(out, text);
    curl_free(text);
}

bool web_url_take_user(const char *url, struct buf *plain, struct buf *user)
{
    const char *authority = behind_scheme(url);
    if (!authority || !memchr(authority, '@', strcspn(authority, "/?#"))) {
        buf_add_text(plain, url);
        return true;
    }
    CURLU *u = curl_url();
    CHECK(u);
    char *text = NULL;
    bool ok = strlen(url) < WEB_URL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK;
    if (ok) {
        add_decoded(user, u, CURLUPART_USER);
        buf_add_char(user, ':');
        add_decoded(user, u, CURLUPART_PASSWORD);
        ok = curl_url_set(u, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
             curl_url_set(u, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
             (text = part_of(u, CURLUPART_URL, 0)) != NULL;
    }
    if (ok)
        buf_add_text(plain, text);
    curl_free(text);
    curl_url_cleanup(u);
    return ok;
}
