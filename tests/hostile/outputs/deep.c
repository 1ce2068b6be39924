/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a result at the bottom of a very deep tree
 * collect: **
 * expect: end=exit exit_code=0 collected="top:3:644" wall_ms=..1000
 */
#include "hostile.h"

int main(void)
{
    write_file("top", "top");
    for (int i = 0; i < 1000; i++)
        if (mkdir("d", 0755) < 0 || chdir("d") < 0)
            return 1;
    write_file("bottom", "x");
    return 0;
}
