/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: thousands of kernel timers, event descriptors and epoll sets
 * expect: end=exit|memory exit_code=0 memory_mb=..66
 * limits: memory_mb=64 open_files=256
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "hostile.h"

int main(void)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    timer_t timer;
    int timers = 0, fds = 0;

    while (timers < 1000000 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timers++;
    while (fds < 1000000 && (fds % 3 == 0   ? eventfd(0, 0)
                             : fds % 3 == 1 ? epoll_create1(0)
                                            : timerfd_create(CLOCK_MONOTONIC, 0)) >= 0)
        fds++;
    if (timers > 20000)
        escaped("%d timers", timers);
    if (fds > 256)
        escaped("%d descriptors, 256 were allowed", fds);
    return verdict();
}
