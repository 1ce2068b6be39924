/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: stop oneself for ever: nothing runs, nothing ends
 * expect: end=wall wall_ms=300..340 cpu_ms=..20
 * limits: wall_ms=300
 */
#include "hostile.h"

int main(void)
{
    if (!fork()) {
        raise(SIGSTOP);
        _exit(0);
    }
    raise(SIGSTOP);
    return 0;
}
