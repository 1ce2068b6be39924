/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a daemon that waits at an abstract socket for the next run
 * expect: end=exit exit_code=0 out="done\n"
 */
#include <stddef.h>
#include <sys/un.h>

#include "hostile.h"

int main(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0hostile" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (bind(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 8) < 0)
        perror("bind");
    listen(fd, 5);
    if (!fork()) {
        setsid();
        for (;;)
            accept(fd, NULL, NULL);
    }
    printf("done\n");
    return 0;
}
