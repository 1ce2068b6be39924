/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile.h - what the hostile programs share: try something, and say whether the box held.
 *
 * A program prints one line per breach ("ESCAPED: ...", or "ODD: ..." when a call was refused, but
 * by something else than the layer that should do it) and ends through verdict(): "held" and exit
 * status 0 only when there was none. So a layer that is missing makes the test fail by itself.
 */
#ifndef EVALX_TESTS_HOSTILE_H
#define EVALX_TESTS_HOSTILE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HELPER static __attribute__((unused))

static int breaches;

__attribute__((format(printf, 1, 2))) HELPER void escaped(const char *fmt, ...)
{
    va_list args;

    printf("ESCAPED: ");
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    breaches++;
}

/* ret and error are what a call gave: it must have failed, and with one of the errors listed. */
HELPER void expect_refusal(const char *call, long ret, int error, const int *allowed)
{
    if (ret >= 0) {
        escaped("%s gave %ld", call, ret);
        return;
    }
    for (; *allowed; allowed++)
        if (error == *allowed)
            return;
    printf("ODD: %s: %s\n", call, strerror(error));
    fflush(stdout);
    breaches++;
}

/* REFUSED(open("/etc/shadow", O_RDONLY), ENOENT, EACCES) */
#define REFUSED(call, ...) REFUSED_AS(#call, call, __VA_ARGS__)
#define REFUSED_AS(text, call, ...)                                                                \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long ret_ = (long)(call);                                                                  \
        expect_refusal(text, ret_, errno, (const int[]){ __VA_ARGS__, 0 });                        \
    } while (0)

/* By the system call filter: EPERM, or ENOSYS for what should look as if it did not exist. */
#define FILTERED(call) REFUSED_AS(#call, call, EPERM, ENOSYS)

/* An address nobody has mapped: a call that reaches the kernel's own code says EFAULT. */
#define NOWHERE ((void *)1)

HELPER int verdict(void)
{
    if (!breaches)
        printf("held\n");
    fflush(stdout);
    return breaches ? 1 : 0;
}

HELPER int64_t now_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

HELPER void sleep_ms(int ms)
{
    struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        continue;
}

/* Burn CPU time of the calling thread; what was really burned, in microseconds. */
HELPER int64_t burn_ms(int ms)
{
    int64_t start = now_us(CLOCK_THREAD_CPUTIME_ID), used;
    volatile unsigned sink = 1;

    do {
        for (int i = 0; i < 20000; i++)
            sink = sink * 1103515245u + 12345u;
        used = now_us(CLOCK_THREAD_CPUTIME_ID) - start;
    } while (used < (int64_t)ms * 1000);
    return used;
}

/* Zeroed memory that the children share. */
HELPER void *shared(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        _exit(99);
    }
    return p;
}

/* Write to every page, so that the memory is really there. */
HELPER void touch(void *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 4096)
        ((volatile char *)p)[i] = 1;
}

HELPER void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        printf("cannot write %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* Send a descriptor through a socket. */
HELPER void post(int to, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec byte = { "", 1 };
    struct msghdr m = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    *c = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (sendmsg(to, &m, 0) != 1)
        escaped("cannot send a descriptor: %s", strerror(errno));
}

#endif
