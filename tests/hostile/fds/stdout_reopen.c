/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: reopen stdout and stderr by /proc, and go for what lies behind them: if they were files,
 *         they could be read back, cut and replaced
 * expect: end=exit exit_code=0 out_has="held\n"
 */
#include "hostile.h"

int main(void)
{
    for (int i = 1; i <= 2; i++) {
        char path[32];
        struct stat s;

        snprintf(path, sizeof path, "/proc/self/fd/%d", i);
        fstat(i, &s);
        if (S_ISREG(s.st_mode)) {
            REFUSED(ftruncate(i, 0), EPERM, EINVAL);
            REFUSED(pwrite(i, "x", 1, 0), EPERM, EBADF);
            REFUSED(open(path, O_RDWR), EACCES, EPERM);
        }
        REFUSED(fchmod(i, 0) == 0 && fchown(i, 0, 0) == 0 ? 0 : -1, EPERM, EINVAL);
    }
    return verdict();
}
