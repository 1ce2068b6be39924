/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: type into a terminal that stands behind one of the descriptors
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <sys/ioctl.h>

#include "hostile.h"

int main(void)
{
    char key = 'x', linux_paste[] = { 3 };

    for (int fd = 0; fd < 3; fd++) {
        REFUSED(ioctl(fd, TIOCSTI, &key), EPERM, EACCES);
        REFUSED(ioctl(fd, TIOCLINUX, linux_paste), EPERM, EACCES);
        REFUSED(ioctl(fd, 0xffffffff00005412ul, &key), EPERM, EACCES); /* the same to the kernel */
    }
    return verdict();
}
