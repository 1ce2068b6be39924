/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: do by a ring what the filter forbids as a call
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

int main(void)
{
    char params[120] = { 0 };

    FILTERED(syscall(425 /* io_uring_setup */, 4, params));
    FILTERED(syscall(426 /* io_uring_enter */, -1, 1, 0, 0, NULL, 0));
    FILTERED(syscall(427 /* io_uring_register */, -1, 0, NOWHERE, 1));
    return verdict();
}
