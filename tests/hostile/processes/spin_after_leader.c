/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: the main thread ends, another spins on: the process looks like a zombie and is none
 * expect: end=cpu cpu_ms=200..240
 * limits: cpu_ms=200 wall_ms=3000
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

    pthread_create(&thread, 0, spin, 0);
    pthread_exit(0);
}
