/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocator: four processes of 15 MB each at the same time
 * expect: end=exit exit_code=0 memory_bytes=stdout
 * limits: memory_mb=128
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    volatile int *ready = shared(4096);
    size_t bytes = 15u << 20;

    for (int i = 0; i < 4; i++) {
        if (!fork()) {
            void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

            touch(p, bytes);
            __sync_fetch_and_add(ready, 1);
            while (*ready < 4)
                sleep_ms(1);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        continue;
    printf("%zu\n", 4 * bytes);
    return 0;
}
