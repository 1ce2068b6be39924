/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: where memory lies, segments of one's own, secret memory
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

int main(void)
{
    FILTERED(syscall(SYS_mbind, NULL, 0, 0, NULL, 0, 0));
    FILTERED(syscall(SYS_set_mempolicy, 0, NULL, 0));
    FILTERED(syscall(SYS_migrate_pages, 0, 0, NULL, NULL));
    FILTERED(syscall(SYS_move_pages, 0, 0, NULL, NULL, NULL, 0));
    FILTERED(syscall(450 /* set_mempolicy_home_node */, 0, 0, 0, 0));
    FILTERED(syscall(SYS_modify_ldt, 0, NOWHERE, 0));
    FILTERED(syscall(447 /* memfd_secret */, 0));
    return verdict();
}
