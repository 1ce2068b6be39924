/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: bring up an interface, list and change addresses, filters and privileged socket options
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include "hostile.h"

int main(void)
{
    struct ifreq lo = { .ifr_name = "lo" };
    int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

    if (fd < 0) /* no sockets, no interfaces */
        return verdict();
    lo.ifr_flags = IFF_UP | IFF_RUNNING;
    REFUSED(ioctl(fd, SIOCSIFFLAGS, &lo), EPERM, ENODEV);
    REFUSED(ioctl(fd, SIOCSIFADDR, &lo), EPERM, ENODEV, EINVAL, EFAULT);
    if (ioctl(fd, SIOCGIFFLAGS, &lo) == 0 && lo.ifr_flags & IFF_UP)
        escaped("lo is up");
    REFUSED(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &one, sizeof one), EPERM);
    REFUSED(setsockopt(fd, SOL_SOCKET, SO_MARK, &one, sizeof one), EPERM);
    REFUSED(setsockopt(fd, SOL_IP, 64 /* IPT_SO_SET_REPLACE */, &one, sizeof one), EPERM,
            ENOPROTOOPT);
    REFUSED(setsockopt(fd, SOL_IP, IP_TRANSPARENT, &one, sizeof one), EPERM);
    for (int index = 2; index < 50; index++) {
        lo.ifr_ifindex = index;
        if (ioctl(fd, SIOCGIFNAME, &lo) == 0)
            escaped("there is an interface %s", lo.ifr_name);
    }
    return verdict();
}
