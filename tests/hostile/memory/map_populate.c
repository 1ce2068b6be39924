/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: have the kernel fill a mapping inside one system call
 * expect: end=memory
 * limits: memory_mb=64
 * needs: cgroup
 */
#include "hostile.h"

int main(void)
{
    void *p = mmap(NULL, 512 << 20, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    printf("%s\n", p == MAP_FAILED ? "no mapping" : "512 MB are mine");
    return 0;
}
