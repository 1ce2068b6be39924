/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: take the neighbour's core: threads that spin and ask for every core
 * roles: watch act
 * limits: cpu_ms=4000 wall_ms=20000
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <pthread.h>

#include "hostile.h"

static unsigned first_core;

static void *spin(void *unused)
{
    cpu_set_t all;

    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
    for (int i = 0; i < 30; i++) {
        unsigned core;

        burn_ms(5);
        if (getcpu(&core, NULL) == 0 && core != first_core)
            escaped("on core %u, it began on %u", core, first_core);
    }
    return unused;
}

int main(void)
{
    pthread_t threads[4];

    getcpu(&first_core, NULL);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, spin, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return verdict();
}
