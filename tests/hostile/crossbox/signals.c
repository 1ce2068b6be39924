/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: kill, slow down and starve the neighbour: by number, by user, by the limit on processes
 *         that the kernel counts for each user
 * roles: watch act
 * limits: processes=20 wall_ms=4000
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

static void act(void)
{
    int children = 0;

    kill(-1, SIGKILL);
    for (pid_t pid = 2; pid < 70000; pid++)
        if (pid != getpid())
            kill(pid, SIGKILL);
    for (; children < 19; children++) {
        pid_t pid = fork();

        if (pid < 0)
            break;
        if (!pid) {
            sleep_ms(300);
            _exit(0);
        }
    }
    sleep_ms(10);
    setpriority(PRIO_USER, 0, 19); /* the last: it is ourselves too */
    sleep_ms(300);
}

static void watch(void)
{
    int children = 0, priority = getpriority(PRIO_PROCESS, 0);

    sleep_ms(150);
    for (; children < 10; children++) {
        pid_t pid = fork();

        if (pid < 0)
            break;
        if (!pid)
            _exit(0);
        waitpid(pid, NULL, 0);
    }
    sleep_ms(250);
    if (children != 10)
        escaped("only %d forks worked beside a neighbour with many", children);
    if (getpriority(PRIO_PROCESS, 0) != priority)
        escaped("the neighbour changed my priority");
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "watch"))
        watch();
    else
        act();
    return verdict();
}
