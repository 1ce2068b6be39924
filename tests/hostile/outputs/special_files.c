/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: results that hang or surprise whoever opens them: pipes, sockets
 * collect: **
 * expect: end=exit exit_code=0 collected="real:5:644" wall_ms=..500
 */
#include <sys/un.h>

#include "hostile.h"

int main(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/box/socket" };

    write_file("real", "real\n");
    mkfifo("pipe", 0666);
    mkfifo("out.txt", 0666);
    bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
    if (!fork()) {
        setsid();
        open("pipe", O_RDWR); /* a writer that never writes */
        for (;;)
            pause();
    }
    sleep_ms(10);
    return 0;
}
