/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: touch one page in every 2 MB: each needs a page table of its own, which no address space
 *         limit and no resident size counts
 * expect: end=memory memory_mb=28..34
 * limits: memory_mb=32
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    size_t step = 2u << 20, bytes = 1ul << 42;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED)
        return 1;
    madvise(p, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < bytes; i += step)
        (void)*(volatile char *)(p + i); /* reading is enough: the zero page costs nothing */
    printf("2 million page tables\n");
    return 0;
}
