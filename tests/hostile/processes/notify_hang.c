/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: children whose every system call waits for an answer by a filter's listener that never
 *         comes: killable only, as far as the kernel allows it
 * expect: end=exit exit_code=0 out="done\n" wall_ms=..300
 * limits: wall_ms=3000
 */
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "hostile.h"

int main(void)
{
    struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF) };
    struct sock_fprog program = { 1, code };

    for (int i = 0; i < 5; i++) {
        if (!fork()) {
            syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                    SECCOMP_FILTER_FLAG_NEW_LISTENER | (i & 1 ? 1u << 5 /* killable only */ : 0),
                    &program);
            getppid();
            for (;;)
                pause();
        }
    }
    sleep_ms(30);
    printf("done\n");
    return 0;
}
