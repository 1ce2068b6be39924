/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: reach services that listen on the host's loopback: a TCP and a UDP port of the test's
 *         own, and an abstract UNIX socket
 * args: {tcp_port} {udp_port} {abstract}
 * expect: end=exit exit_code=0 out="held\n" wall_ms=..500
 * alone: fails
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>

#include "hostile.h"

static long reach(int family, int type, int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in6 to6 = { .sin6_family = AF_INET6,
                                .sin6_port = htons((uint16_t)port),
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(family, type, 0);

    if (fd < 0)
        return -1;
    if (family == AF_INET)
        return connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ? -1 : write(fd, "hostile", 7);
    return connect(fd, (struct sockaddr *)&to6, sizeof to6) < 0 ? -1 : write(fd, "hostile", 7);
}

static long reach_abstract(const char *name)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(to.sun_path + 1, name, strlen(name));
    return connect(fd, (struct sockaddr *)&to,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
}

#define NO_WAY ENETUNREACH, EACCES, EPERM, EAFNOSUPPORT, EADDRNOTAVAIL

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    REFUSED(reach(AF_INET, SOCK_STREAM, atoi(argv[1])), NO_WAY);
    REFUSED(reach(AF_INET6, SOCK_STREAM, atoi(argv[1])), NO_WAY);
    REFUSED(reach(AF_INET, SOCK_DGRAM, atoi(argv[2])), NO_WAY);
    REFUSED(reach_abstract(argv[3]), ECONNREFUSED, EPERM, EACCES);
    return verdict();
}
