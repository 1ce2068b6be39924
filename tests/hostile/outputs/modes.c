/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: results with set-uid bits and without any permission
 * collect: *
 * expect: end=exit exit_code=0 collected="none:4:644 open:4:644 suid:4:755"
 */
#include "hostile.h"

int main(void)
{
    write_file("suid", "suid");
    chmod("suid", 06755);
    write_file("open", "open");
    chmod("open", 02666);
    write_file("none", "none");
    chmod("none", 0);
    return 0;
}
