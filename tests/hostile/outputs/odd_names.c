/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: results whose names do harm where they are unpacked or printed
 * collect: **
 * expect: end=exit exit_code=0 clean_names=yes
 */
#include "hostile.h"

int main(void)
{
    static const char *const names[] = { "a\nb", "a\rb", "\x1b[2J", "\xff\xfe", "\x7f", "a\tb",
                                         "...",  "-rf",  "$(id)",   "a\\b",     "c:d",  " " };
    char name[256];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        write_file(names[i], "x");
    memset(name, 'n', 255);
    name[255] = 0;
    write_file(name, "x");
    write_file("plain", "x");
    return 0;
}
