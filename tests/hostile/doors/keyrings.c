/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: kernel keyrings hang on users and sessions, not on namespaces: leave keys for others
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

int main(void)
{
    for (int ring = -1; ring >= -5; ring--)
        FILTERED(syscall(SYS_add_key, "user", "hostile", "secret", 6, ring));
    FILTERED(syscall(SYS_request_key, "user", "hostile", NULL, 0));
    for (int op = 0; op < 33; op++)
        FILTERED(syscall(SYS_keyctl, op, -3, 0, 0, 0));
    return verdict();
}
