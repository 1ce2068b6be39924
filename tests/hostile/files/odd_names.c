/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: names a careless wipe trips over: newlines, control bytes, 255 bytes, dots and dashes,
 *         invalid UTF-8, dangling and circular links, sockets, pipes, immutable and append-only
 *         flags
 * expect: end=exit exit_code=0 out="done\n"
 */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include "hostile.h"

static void flag(const char *name, int flags)
{
    int fd = open(name, O_RDONLY | O_CREAT, 0600);

    if (fd >= 0) {
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
        close(fd);
    }
}

int main(void)
{
    static const char *const names[] = { "-rf", "...",   "a\nb", "\xff\xfe", "a\tb",
                                         "*",   "$(id)", "\x7f", " ",        "~" };
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/box/socket" };
    char name[256];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mkdir(names[i], 0);
        snprintf(name, sizeof name, "/tmp/%s", names[i]);
        write_file(name, "x");
    }
    memset(name, 'n', 255);
    name[255] = 0;
    mkdir(name, 0111);
    symlink("/etc/passwd", "link");
    symlink("circle", "circle");
    symlink("/", "root");
    symlink("..", "up");
    mkfifo("fifo", 0777);
    bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
    flag("immutable", FS_IMMUTABLE_FL);
    flag("append", FS_APPEND_FL);
    chmod("/tmp", 0);
    chmod("/box", 0);
    printf("done\n");
    return 0;
}
