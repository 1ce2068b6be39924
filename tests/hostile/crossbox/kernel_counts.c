/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: use up what the kernel counts for each user, in case two boxes (or a box and the host)
 *         count as one: inotify instances, pending signals, pipe pages, locks
 * roles: watch act
 * limits: processes=20 open_files=256
 * expect: end=exit exit_code=0 out="held\n"
 * needs: user
 */
#include <sys/inotify.h>

#include "hostile.h"

static void hoard(void)
{
    union sigval value = { .sival_int = 1 };
    sigset_t all;
    int ends[2];

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    while (inotify_init1(0) >= 0)
        continue;
    for (int i = 0; i < 100000 && sigqueue(getpid(), SIGRTMIN, value) == 0; i++)
        continue;
    while (pipe(ends) == 0)
        fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    sleep_ms(500);
}

static void act(void)
{
    for (int i = 0; i < 15; i++) {
        if (!fork()) {
            hoard();
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        continue;
}

static void watch(void)
{
    union sigval value = { .sival_int = 1 };
    bool notify = inotify_init1(0) >= 0;
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sleep_ms(250);
    if (notify && inotify_init1(0) < 0)
        escaped("a neighbour has used up the inotify instances: %s", strerror(errno));
    for (int i = 0; i < 100; i++) {
        if (sigqueue(getpid(), SIGRTMIN, value) < 0) {
            escaped("a neighbour has used up the signals: %s", strerror(errno));
            break;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "watch"))
        watch();
    else
        act();
    return verdict();
}
