/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prog - does one thing, as its first argument says; what tests/box/test_box.c runs in boxes.
 *
 * cat                      stdin to stdout
 * exit N | signal N        end that way
 * spin MS | sleep MS       use CPU, or wall time only
 * alloc MB | hold MB N     touch memory; in N children at once, MB each
 * flood BYTES FD           write that many bytes
 * fork                     children until it is refused, each pausing
 * bomb                     children without end
 * daemon                   leave a child in a session of its own behind, stdout held open
 * file PATH TEXT           write a file
 * uid                      print the user id
 * both                     "o1" to stdout, "e1" to stderr, "o2" to stdout
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long number(char **argv, int i)
{
    return argv[i] ? strtol(argv[i], NULL, 10) : 0;
}

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void spin(long ms)
{
    while (cpu_ms() < ms)
        ;
}

static void touch(long mb)
{
    char *p =
        mmap(NULL, (size_t)mb << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        _exit(3);
    for (long i = 0; i < mb << 20; i += 4096)
        p[i] = 1;
}

static void hold(long mb, long children)
{
    for (long i = 0; i < children; i++)
        if (fork() == 0) {
            touch(mb);
            usleep(300000);
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
}

static void flood(long bytes, int fd)
{
    static char block[4096];
    memset(block, 'x', sizeof block);
    while (bytes > 0) {
        ssize_t n = write(fd, block, bytes < 4096 ? (size_t)bytes : sizeof block);
        if (n <= 0)
            _exit(4);
        bytes -= n;
    }
}

static void fork_until_refused(void)
{
    int count = 0;
    for (;;) {
        pid_t pid = fork();
        if (pid == 0)
            pause();
        if (pid < 0)
            break;
        count++;
    }
    printf("%d\n", count);
    fflush(stdout);
}

static void leave_daemon(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0)
            for (;;)
                pause();
        _exit(0);
    }
    wait(NULL);
    puts("left");
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        _exit(5);
    close(fd);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char bytes[4096];
    if (strcmp(what, "cat") == 0)
        for (ssize_t n; (n = read(0, bytes, sizeof bytes)) > 0;)
            n = write(1, bytes, (size_t)n);
    else if (strcmp(what, "exit") == 0)
        return (int)number(argv, 2);
    else if (strcmp(what, "signal") == 0)
        raise((int)number(argv, 2));
    else if (strcmp(what, "spin") == 0)
        spin(number(argv, 2));
    else if (strcmp(what, "sleep") == 0)
        usleep((useconds_t)number(argv, 2) * 1000);
    else if (strcmp(what, "alloc") == 0)
        touch(number(argv, 2));
    else if (strcmp(what, "hold") == 0)
        hold(number(argv, 2), number(argv, 3));
    else if (strcmp(what, "flood") == 0)
        flood(number(argv, 2), (int)number(argv, 3));
    else if (strcmp(what, "fork") == 0)
        fork_until_refused();
    else if (strcmp(what, "bomb") == 0)
        for (;;)
            fork();
    else if (strcmp(what, "daemon") == 0)
        leave_daemon();
    else if (strcmp(what, "file") == 0 && argc > 3)
        write_file(argv[2], argv[3]);
    else if (strcmp(what, "uid") == 0)
        printf("%d\n", (int)getuid());
    else if (strcmp(what, "both") == 0)
        return write(1, "o1", 2) + write(2, "e1", 2) + write(1, "o2", 2) == 6 ? 0 : 1;
    else
        puts("hello");
    return 0;
}
