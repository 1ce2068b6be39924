/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave marks on stdin that the next reader of the same input can see, though its bytes are
 *         sealed: extended attributes, mode, owner, times, seals, locks, the read position
 * stdin: the same for everybody
 * expect: end=exit exit_code=0 out="held\n"
 * needs: user
 */
#include <sys/file.h>
#include <sys/xattr.h>

#include "hostile.h"

int main(void)
{
    struct timespec times[2] = { { 1, 0 }, { 2, 0 } };
    uint64_t hint = 0;
    char value[64];
    struct stat s;
    int fd;

    if (fgetxattr(0, "user.mark", value, sizeof value) >= 0)
        escaped("a mark of an earlier run");
    fstat(0, &s);
    if (s.st_mtime == 2 || s.st_atime == 1)
        escaped("times set by an earlier run");
    if (fcntl(0, F_GET_RW_HINT, &hint) == 0 && hint != 0)
        escaped("a hint set by an earlier run");
    if (fcntl(0, F_GETFL) & (O_NONBLOCK | O_APPEND))
        escaped("flags set by an earlier run");
    if (lseek(0, 0, SEEK_CUR) != 0)
        escaped("the read position of an earlier run");
    REFUSED(fsetxattr(0, "user.mark", "here", 4, 0), EPERM, EACCES, EROFS, EOPNOTSUPP);
    REFUSED(setxattr("/proc/self/fd/0", "user.mark", "here", 4, 0), EPERM, EACCES, EROFS,
            EOPNOTSUPP);
    REFUSED(fchmod(0, 0), EPERM, EROFS);
    REFUSED(fchown(0, getuid(), getgid()), EPERM, EROFS);
    REFUSED(futimens(0, times), EPERM, EACCES, EROFS);
    REFUSED(futimens(0, NULL), EPERM, EACCES, EROFS);
    if ((fd = open("/proc/self/fd/0", O_RDWR)) >= 0)
        REFUSED(fsetxattr(fd, "user.mark", "here", 4, 0), EPERM, EACCES, EOPNOTSUPP);
    fcntl(0, F_ADD_SEALS, F_SEAL_SEAL);
    flock(0, LOCK_EX | LOCK_NB);
    lseek(0, 5, SEEK_SET);
    fcntl(0, F_SETFL, O_NONBLOCK | O_APPEND);
    hint = 5;
    fcntl(0, F_SET_RW_HINT, &hint);
    return verdict();
}
