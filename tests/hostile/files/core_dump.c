/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: crash with a large image, to have it written out, or piped to a helper of the host
 * expect: end=signal signal=6 collected="" wall_ms=..500
 * collect: **
 */
#include "hostile.h"

int main(void)
{
    struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

    touch(malloc(20 << 20), 20 << 20);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &all);
    abort();
}
