/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: four threads use the CPU for ever; their time counts together
 * expect: end=cpu cpu_ms=300..340
 * limits: cpu_ms=300 wall_ms=3000
 */
#include <pthread.h>

static void *spin(void *unused)
{
    for (volatile unsigned i = 0;; i++)
        continue;
    return unused;
}

int main(void)
{
    pthread_t thread;

    for (int i = 0; i < 3; i++)
        pthread_create(&thread, 0, spin, 0);
    spin(0);
}
