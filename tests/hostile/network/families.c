/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: open sockets of every family: netlink and packet sockets configure the machine, vsock
 *         speaks to the hypervisor past all network namespaces, alg is kernel crypto
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

int main(void)
{
    static const int types[] = {
        SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_RDM, 10, 0
    };
    int pair[2];

    for (int family = 0; family < 64; family++) {
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            bool raw = types[i] == SOCK_RAW || types[i] == 10;

            if (family == AF_UNIX || ((family == AF_INET || family == AF_INET6) && !raw))
                continue;
            for (int protocol = 0; protocol < 3; protocol++) {
                int fd = socket(family, types[i], protocol);

                if (fd >= 0)
                    escaped("socket(%d, %d, %d)", family, types[i], protocol);
                else if (errno != EAFNOSUPPORT && errno != EPERM && errno != EACCES &&
                         !((family == AF_INET || family == AF_INET6) &&
                           (errno == ENETUNREACH || errno == EPROTONOSUPPORT || errno == EINVAL ||
                            errno == ESOCKTNOSUPPORT)))
                    printf("ODD: socket(%d, %d, %d): %s\n", family, types[i], protocol,
                           strerror(errno)),
                        breaches++;
                if (fd >= 0)
                    close(fd);
            }
        }
    }
    REFUSED(socketpair(0x28 /* AF_VSOCK */, SOCK_STREAM, 0, pair), EAFNOSUPPORT, EPERM, EACCES);
    REFUSED(socket((int)(0xffffffff00000000ul | 16), SOCK_RAW, 0), EAFNOSUPPORT, EPERM, EACCES);
    REFUSED(syscall(SYS_socket, 0x100000000ul | 16, SOCK_RAW, 0), EAFNOSUPPORT, EPERM, EACCES);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) /* ordinary programs use these */
        printf("ODD: no UNIX socket pair: %s\n", strerror(errno)), breaches++;
    return verdict();
}
