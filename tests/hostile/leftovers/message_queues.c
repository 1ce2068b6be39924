/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave POSIX message queues
 * expect: end=exit exit_code=0 out="held\n"
 */
#include <mqueue.h>

#include "hostile.h"

int main(void)
{
    struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 64 };

    REFUSED(mq_open("/hostile", O_CREAT | O_RDWR, 0666, &attr), ENOSPC, EPERM, EMFILE, ENOSYS,
            EACCES);
    REFUSED(mq_open("/hostile", O_RDWR), ENOENT, ENOSPC, EPERM, ENOSYS, EACCES);
    return verdict();
}
