/* SPDX-License-Identifier: Apache-2.0 */
/*
 * burner: four threads of 100 ms each
 * expect: end=exit exit_code=0 cpu_us=stdout
 */
#include <pthread.h>

#include "hostile.h"

static void *burn(void *used)
{
    *(int64_t *)used = burn_ms(100);
    return NULL;
}

int main(void)
{
    pthread_t threads[4];
    int64_t used[4], total = 0;

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, burn, &used[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        total += used[i];
    }
    printf("%lld\n", (long long)total);
    return 0;
}
