/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: reach the world, the cloud's metadata service and a resolver, by every kind of socket.
 *         The addresses are reserved for documentation: nothing would arrive anywhere. All must
 *         fail at once, not after a time-out
 * expect: end=exit exit_code=0 out="held\n" wall_ms=..500
 * limits: wall_ms=3000
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "hostile.h"

static long reach(int type, const char *text, int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, type, 0);

    inet_pton(AF_INET, text, &to.sin_addr);
    if (fd < 0)
        return -1;
    return connect(fd, (struct sockaddr *)&to, sizeof to);
}

static long reach6(int type, const char *text, int port)
{
    struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    int fd = socket(AF_INET6, type, 0);

    inet_pton(AF_INET6, text, &to.sin6_addr);
    if (fd < 0)
        return -1;
    return connect(fd, (struct sockaddr *)&to, sizeof to);
}

static long fast_open(const char *text)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, text, &to.sin_addr);
    if (fd < 0)
        return -1;
    return sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to);
}

#define NO_WAY ENETUNREACH

int main(void)
{
    REFUSED(reach(SOCK_STREAM, "169.254.169.254", 80), NO_WAY);
    REFUSED(reach(SOCK_DGRAM, "169.254.169.254", 80), NO_WAY);
    REFUSED(reach(SOCK_STREAM, "192.0.2.1", 80), NO_WAY);
    REFUSED(reach(SOCK_DGRAM, "192.0.2.1", 53), NO_WAY);
    REFUSED(reach(SOCK_DGRAM, "255.255.255.255", 9), NO_WAY);
    REFUSED(reach(SOCK_DGRAM, "224.0.0.1", 9), NO_WAY);
    REFUSED(reach6(SOCK_STREAM, "2001:db8::1", 80), NO_WAY);
    REFUSED(reach6(SOCK_DGRAM, "ff02::1", 9), NO_WAY, EINVAL);
    REFUSED(reach6(SOCK_STREAM, "fe80::1", 80), NO_WAY, EINVAL);
    REFUSED(fast_open("192.0.2.1"), NO_WAY);
    return verdict();
}
