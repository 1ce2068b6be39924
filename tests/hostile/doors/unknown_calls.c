/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: call numbers that this sandbox has never heard of, and those that newer kernels may
 *         give a meaning to: the filter must not pass what it does not know
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

int main(void)
{
    for (long number = 470; number < 1024; number++) {
        errno = 0;
        if (syscall(number, -1, -1, -1, -1, -1, -1) >= 0 || (errno != ENOSYS && errno != EPERM))
            escaped("system call %ld: %s", number, strerror(errno));
    }
    for (int shift = 9; shift < 32; shift++) {
        errno = 0;
        if (shift != 30 && syscall(1l << shift | SYS_getpid) >= 0)
            escaped("system call number with bit %d set", shift);
    }
    return verdict();
}
