/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: look up hundreds of thousands of names that do not exist: the kernel remembers them
 * expect: end=exit|memory exit_code=0 memory_mb=..66
 * limits: memory_mb=64 cpu_ms=3000
 */
#include "hostile.h"

int main(void)
{
    static const char *const roots[] = { "/usr/lib", "/box", "/tmp", "/etc", "/usr/bin", "/proc" };
    struct stat s;
    char name[128];

    for (int i = 0; i < 300000; i++) {
        snprintf(name, sizeof name, "%s/there-is-no-such-name-%d", roots[i % 6], i);
        stat(name, &s);
    }
    printf("held\n");
    return 0;
}
