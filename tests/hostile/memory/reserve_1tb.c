/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: none. Reserving address space is no use of memory: a virtual terabyte must be fine, as
 *         language runtimes do it
 * expect: end=exit exit_code=0 out="fine\n" memory_mb=..8
 * limits: memory_mb=32
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    char *p = mmap(NULL, 1ul << 40, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return 1;
    p[0] = p[(1ul << 40) - 1] = 1;
    printf("fine\n");
    return 0;
}
