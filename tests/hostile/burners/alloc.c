/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocator: 60 MB, touched
 * expect: end=exit exit_code=0 memory_bytes=stdout
 * limits: memory_mb=128
 */
#include "hostile.h"

int main(void)
{
    size_t bytes = 60u << 20;

    touch(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), bytes);
    printf("%zu\n", bytes);
    return 0;
}
