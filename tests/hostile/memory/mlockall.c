/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: lock memory, so that it can never be taken back
 * expect: end=exit exit_code=0 out="held\n"
 * limits: memory_mb=64
 */
#include "hostile.h"

int main(void)
{
    struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    REFUSED(setrlimit(RLIMIT_MEMLOCK, &all), EPERM);
    REFUSED(mlock(p, 1 << 20), EPERM, ENOMEM);
    REFUSED(mlockall(MCL_CURRENT | MCL_FUTURE), EPERM, ENOMEM);
    if (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1,
             0) != MAP_FAILED)
        escaped("a locked mapping");
    return verdict();
}
