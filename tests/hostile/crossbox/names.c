/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: meet by name: files in /box, /tmp and /dev/shm, abstract sockets, queues, shared memory
 * roles: watch act
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <mqueue.h>
#include <stddef.h>
#include <sys/shm.h>
#include <sys/un.h>

#include "hostile.h"

static const char *const places[] = { "/box/meet", "/tmp/meet", "/dev/shm/meet",
                                      "/box/../tmp/meet2" };
static struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0meet" };
static const socklen_t length = offsetof(struct sockaddr_un, sun_path) + 5;

static void offer(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        write_file(places[i], "hello");
    bind(fd, (struct sockaddr *)&address, length);
    listen(fd, 1);
    mq_open("/meet", O_CREAT | O_RDWR, 0666, NULL);
    shmget(0x4d454554, 4096, IPC_CREAT | 0666);
    sleep_ms(400);
}

static void seek(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    sleep_ms(100);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], F_OK) == 0)
            escaped("%s is there", places[i]);
    if (connect(fd, (struct sockaddr *)&address, length) == 0)
        escaped("the abstract socket is there");
    if (mq_open("/meet", O_RDWR) >= 0)
        escaped("the message queue is there");
    if (shmget(0x4d454554, 0, 0) >= 0)
        escaped("the shared memory is there");
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "watch"))
        offer();
    else
        seek();
    return verdict();
}
