/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"

enum { BACKLOG = 1024 };

/* "host:port", "[v6]:port", ":port"; host and port are cut out into the caller's buffers. */
static bool split_listen(const char *listen, char host[256], char port[16], struct err *e)
{
    const char *colon = strrchr(listen, ':');
    if (!colon || !colon[1] || strlen(colon + 1) >= 16)
        return err_invalid(e, "listen", "listen address %.100s: must be host:port", listen);
    struct str name = { listen, (size_t)(colon - listen) };
    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = (struct str){ name.ptr + 1, name.len - 2 };
    else if (memchr(name.ptr, ':', name.len))
        return err_invalid(e, "listen", "listen address %.100s: write [v6]:port", listen);
    if (name.len >= 256)
        return err_invalid(e, "listen", "listen address: the host is too long");
    snprintf(host, 256, "%.*s", STR_FMT(name));
    snprintf(port, 16, "%s", colon + 1);
    int64_t number;
    if (!parse_int(str_of(port), &number) || number < 0 || number > 65535)
        return err_invalid(e, "listen", "listen address %.100s: the port must be 0 to 65535",
                           listen);
    return true;
}

static int listen_on(const struct addrinfo *a)
{
    CLEANUP(fd_close)
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, off = 0;
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6) /* [::] is every address, v4 too */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return -1;
    return TAKE_FD(fd);
}

int listener_open(const char *listen, struct err *e)
{
    char host[256], port[16];
    if (!split_listen(listen, host, port, e))
        return -1;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo *found = NULL;
    int why = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (why) {
        err_invalid(e, "listen", "listen address %.100s: %s", listen, gai_strerror(why));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = listen_on(a);
    int saved = errno;
    freeaddrinfo(found);
    if (fd < 0)
        err_sysno(e, saved, "listen on %.100s", listen);
    return fd;
}

int listener_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = { 0 };
    socklen_t len = sizeof address;
    if (getsockname(fd, &address.any, &len) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}
