/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses may be sent to.
 *
 * An address is public when no registry gives it another meaning. IPv4 is a list of what is not
 * public; IPv6 the other way round: only global unicast (2000::/3) can be, less what was taken out
 * of it again. Two kinds of IPv6 address mean an IPv4 one, and are judged by that: mapped
 * (::ffff:0:0/96) and translated (64:ff9b::/96). Tunnels (6to4, Teredo, ISATAP) are refused whole:
 * where a packet to them ends is not ours to know.
 *
 * Source  IANA special-purpose address registries (RFC 6890); RFC 4291, 6052, 8215, 3056, 4380,
 *         5214, 9637.
 */
#include <arpa/inet.h>

#include "base/text.h"
#include "drivers/web_internal.h"

/* A network, IPv4 as the last four bytes of its mapped form: prefix lengths count from there. */
struct network {
    uint8_t bytes[16];
    int bits;
    bool v4;
};

struct web_guard {
    struct network *allowed;
    size_t count;
    web_resolve_fn resolve;
    void *resolve_arg;
};

struct range {
    const char *text;
    const char *what;
};

static const struct range not_public_v4[] = {
    { "0.0.0.0/8", "this network" },
    { "10.0.0.0/8", "a private network" },
    { "100.64.0.0/10", "a carrier's shared network" },
    { "127.0.0.0/8", "this machine" },
    { "169.254.0.0/16", "link-local, where clouds keep their metadata" },
    { "172.16.0.0/12", "a private network" },
    { "192.0.0.0/24", "reserved for protocols" },
    { "192.0.2.0/24", "for documentation" },
    { "192.88.99.0/24", "a relay of tunnels" },
    { "192.168.0.0/16", "a private network" },
    { "198.18.0.0/15", "for benchmarks" },
    { "198.51.100.0/24", "for documentation" },
    { "203.0.113.0/24", "for documentation" },
    { "224.0.0.0/4", "multicast" },
    { "240.0.0.0/4", "reserved" },
};

/* The first that fits is named. */
static const struct range not_public_v6[] = {
    { "::/128", "no address" },
    { "::1/128", "this machine" },
    { "64:ff9b:1::/48", "a translator's private network" },
    { "100::/64", "discarded" },
    { "2001::/32", "a tunnel (Teredo)" },
    { "2001::/23", "reserved for protocols" },
    { "2001:db8::/32", "for documentation" },
    { "2002::/16", "a tunnel (6to4)" },
    { "3fff::/20", "for documentation" },
    { "fc00::/7", "a private network" },
    { "fe80::/10", "link-local" },
    { "fec0::/10", "a private network" },
    { "ff00::/8", "multicast" },
};

/* ---- networks ---- */

static bool bits_equal(const uint8_t *a, const uint8_t *b, int bits)
{
    int whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, (size_t)whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool network_parse(const char *text, struct network *ret)
{
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';

    struct network n = { 0 };
    n.v4 = inet_pton(AF_INET, address, n.bytes) == 1;
    if (!n.v4 && inet_pton(AF_INET6, address, n.bytes) != 1)
        return false;
    int64_t bits = n.v4 ? 32 : 128;
    if (text[len] && (!parse_int(str_of(text + len + 1), &bits) || text[len + 1] == '+' ||
                      bits < 0 || bits > (n.v4 ? 32 : 128)))
        return false;
    n.bits = (int)bits;
    *ret = n;
    return true;
}

static const char *range_of(const struct range *ranges, size_t count, const uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++) {
        struct network n;
        CHECK(network_parse(ranges[i].text, &n));
        if (bits_equal(n.bytes, bytes, n.bits))
            return ranges[i].what;
    }
    return NULL;
}

static bool is_allowed(const struct web_guard *g, const uint8_t *bytes, bool v4)
{
    for (size_t i = 0; g && i < g->count; i++)
        if (g->allowed[i].v4 == v4 && bits_equal(g->allowed[i].bytes, bytes, g->allowed[i].bits))
            return true;
    return false;
}

/* ---- addresses ---- */

/* The four bytes of the IPv4 address an IPv6 one stands for; NULL: it stands for itself. */
static const uint8_t *unwrapped(const uint8_t *v6)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    static const uint8_t translated[12] = { 0x00, 0x64, 0xff, 0x9b };
    if (memcmp(v6, mapped, sizeof mapped) == 0 || memcmp(v6, translated, sizeof translated) == 0)
        return v6 + 12;
    return NULL;
}

static const char *why_not_v4(const uint8_t *bytes)
{
    return range_of(not_public_v4, COUNT_OF(not_public_v4), bytes);
}

static const char *why_not_v6(const uint8_t *bytes)
{
    const char *why = range_of(not_public_v6, COUNT_OF(not_public_v6), bytes);
    if (why)
        return why;
    if (bytes[0] >> 5 != 1)
        return "reserved";
    bool isatap = (bytes[8] & 0xfd) == 0 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe;
    return isatap ? "a tunnel (ISATAP)" : NULL;
}

static bool refuse_address(const struct sockaddr *address, const void *bytes, const char *why,
                           struct err *e)
{
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(address->sa_family, bytes, text, sizeof text);
    return err_set(e, ERR_INVALID, "the address %s is %s: nothing is sent there", text, why);
}

bool web_guard_allows(const struct web_guard *g, const struct sockaddr *address, struct err *e)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        const uint8_t *bytes = (const uint8_t *)&in.sin_addr;
        const char *why = is_allowed(g, bytes, true) ? NULL : why_not_v4(bytes);
        return !why || refuse_address(address, bytes, why, e);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        const uint8_t *bytes = in6.sin6_addr.s6_addr, *v4 = unwrapped(bytes);
        if (is_allowed(g, bytes, false) || (v4 && is_allowed(g, v4, true)))
            return true;
        const char *why = v4 ? why_not_v4(v4) : why_not_v6(bytes);
        return !why || refuse_address(address, bytes, why, e);
    }
    return err_set(e, ERR_INVALID, "this is no internet address");
}

/* ---- the guard ---- */

struct web_guard *web_guard_new(const char *const *texts, struct err *e)
{
    struct web_guard *g = calloc(1, sizeof *g);
    CHECK(g);
    size_t count = 0;
    while (texts && texts[count])
        count++;
    g->allowed = calloc(count + 1, sizeof *g->allowed);
    CHECK(g->allowed);
    for (; g->count < count; g->count++) {
        if (network_parse(texts[g->count], &g->allowed[g->count]))
            continue;
        err_set(e, ERR_INVALID, "%.80s is no network such as 10.0.0.0/8, fd00::/8 or 127.0.0.1",
                texts[g->count]);
        web_guard_free(g);
        return NULL;
    }
    return g;
}

void web_guard_free(struct web_guard *g)
{
    if (!g)
        return;
    free(g->allowed);
    free(g);
}

void web_guard_resolve_with(struct web_guard *g, web_resolve_fn resolve, void *arg)
{
    g->resolve = resolve;
    g->resolve_arg = arg;
}

web_resolve_fn web_guard_resolver(const struct web_guard *g, void **ret_arg)
{
    *ret_arg = g ? g->resolve_arg : NULL;
    return g ? g->resolve : NULL;
}
