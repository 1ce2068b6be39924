/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: hold as many threads as pthread_create() gives; threads count as processes
 * expect: end=exit exit_code=0 out="held\n"
 * limits: processes=12
 */
#include <pthread.h>

#include "hostile.h"

static void *wait_forever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_attr_t small;
    pthread_t thread;
    int count = 1;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    while (count < 1000 && !pthread_create(&thread, &small, wait_forever, NULL))
        count++;
    if (count != 12)
        escaped("%d threads, 12 were allowed", count);
    return verdict();
}
