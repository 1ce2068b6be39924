/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: use descriptors the sandbox forgot to close
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

int main(void)
{
    for (int fd = 3; fd < 70000; fd++)
        if (fcntl(fd, F_GETFD) >= 0) {
            char path[64], target[256];
            ssize_t n;

            snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
            n = readlink(path, target, sizeof target - 1);
            target[n > 0 ? n : 0] = 0;
            escaped("descriptor %d is open: %s", fd, target);
        }
    return verdict();
}
