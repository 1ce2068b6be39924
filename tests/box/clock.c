/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock - a library to preload: the time of day jumps when a file says so.
 *
 * TEST_CLOCK names a file with a number of microseconds (int64_t) that is added to the time
 * of day; tests write to it while the program runs. Monotonic clocks are left alone, as when an
 * operator or NTP sets the clock.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *jump_us;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof *jump_us, PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED)
        jump_us = at;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (syscall(SYS_clock_gettime, clock, t) != 0)
        return -1;
    if ((clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && jump_us) {
        int64_t us = t->tv_sec * INT64_C(1000000) + t->tv_nsec / 1000 + *jump_us;
        t->tv_sec = us / 1000000;
        t->tv_nsec = us % 1000000 * 1000 + t->tv_nsec % 1000;
    }
    return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &t) != 0)
        return -1;
    *tv = (struct timeval){ t.tv_sec, t.tv_nsec / 1000 };
    return 0;
}

time_t time(time_t *to)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (to)
        *to = t.tv_sec;
    return t.tv_sec;
}
