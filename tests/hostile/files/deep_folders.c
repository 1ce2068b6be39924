/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: 3,000 folders inside each other, without permissions, for a wipe that recurses
 * expect: end=exit exit_code=0 out="held\n"
 */
#include "hostile.h"

int main(void)
{
    for (int i = 0; i < 3000; i++) {
        if (mkdir("d", 0700) < 0)
            break;
        if (chdir("d") < 0)
            break;
        write_file("f", "x");
        chmod("f", 0);
    }
    for (int i = 0; i < 3000; i++) {
        if (chdir("..") < 0 || chmod("d", 0) < 0)
            break;
    }
    return verdict();
}
