/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: take the neighbour's core: threads that spin and ask for every core
 * roles: watch act
 * limits: cpu_ms=4000 wall_ms=6000
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <pthread.h>

#include "hostile.h"

static void *spin(void *unused)
{
    cpu_set_t all;

    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
    burn_ms(150);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[4];

    if (argc > 1 && !strcmp(argv[1], "watch")) {
        int64_t start, wall;

        sleep_ms(100);
        start = now_us(CLOCK_MONOTONIC);
        burn_ms(200);
        wall = now_us(CLOCK_MONOTONIC) - start;
        if (wall > 320000)
            escaped("200 ms of work took %lld ms beside a neighbour", (long long)wall / 1000);
        return verdict();
    }
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, spin, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return verdict();
}
