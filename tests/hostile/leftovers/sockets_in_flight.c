/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: keep a name of an abstract socket taken after everything is dead: the socket is on its
 *         way through another, which is on its way through itself
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <sys/un.h>

#include "hostile.h"

int main(void)
{
    const struct sockaddr_un name = { AF_UNIX, "\0taken" };
    int named = socket(AF_UNIX, SOCK_DGRAM, 0), ends[2];

    if (bind(named, (const struct sockaddr *)&name, sizeof(sa_family_t) + 6) != 0)
        escaped("the name is taken by an earlier run: %s", strerror(errno));
    socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
    post(ends[0], named);
    post(ends[0], ends[1]);
    post(ends[1], ends[0]);
    return verdict();
}
