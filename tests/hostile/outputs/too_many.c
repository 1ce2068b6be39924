/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: thousands of results
 * collect: **
 * collect_limits: files=10
 * expect: end=exit exit_code=0 collected_files=10 files_cut=yes wall_ms=..2000
 */
#include "hostile.h"

int main(void)
{
    char name[32];

    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "f%d", i);
        write_file(name, "x");
    }
    return 0;
}
