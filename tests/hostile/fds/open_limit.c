/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: open descriptors without end
 * expect: end=exit exit_code=0 out="held\n"
 * limits: open_files=50
 */
#include "hostile.h"

int main(void)
{
    int count = 3;

    while (count < 100000 && open("/dev/null", O_RDONLY) >= 0)
        count++;
    if (count != 50)
        escaped("%d descriptors, 50 were allowed", count);
    if (dup2(0, 5000) >= 0)
        escaped("descriptor 5000");
    return verdict();
}
