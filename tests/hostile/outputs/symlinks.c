/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: results that are links: to secrets, to folders of the host, to process 1, in circles
 * collect: **
 * expect: end=exit exit_code=0 collected="real:5:644"
 */
#include "hostile.h"

int main(void)
{
    write_file("real", "real\n");
    symlink("/etc/passwd", "out.txt");
    symlink("/proc/1/environ", "environ");
    symlink("/proc/self/environ", "self");
    symlink("real", "link");
    symlink("/etc", "folder");
    symlink("/", "root");
    symlink(".", "loop");
    symlink("..", "up");
    mkdir("d", 0755);
    symlink("../d", "d/again");
    symlink("../../../../../../etc/passwd", "d/deep");
    return 0;
}
