/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: change the program file that is run, which others run too: it may come from a cache
 * expect: end=exit exit_code=0 out="held\n"
 * exe: fd
 * needs: user
 */
#include <sys/file.h>
#include <sys/xattr.h>

#include "hostile.h"

int main(void)
{
    static const char path[] = "/proc/self/exe";
    char by_fd[64];
    int fd;

    REFUSED(open(path, O_RDWR), ETXTBSY, EACCES, EPERM, EROFS);
    REFUSED(open(path, O_WRONLY | O_TRUNC), ETXTBSY, EACCES, EPERM, EROFS);
    REFUSED(truncate(path, 0), ETXTBSY, EACCES, EPERM, EROFS);
    REFUSED(chmod(path, 0777), EPERM, EROFS);
    REFUSED(setxattr(path, "user.mark", "here", 4, 0), EPERM, EACCES, EOPNOTSUPP, EROFS);

    if ((fd = open(path, O_RDONLY)) < 0 || breaches)
        return verdict();

    /* As the shell: now no process executes the file, and the kernel does not protect it any more.
     */
    snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", fd);
    REFUSED(open(by_fd, O_RDWR | O_APPEND), ETXTBSY, EACCES, EPERM, EROFS);
    flock(fd, LOCK_EX | LOCK_NB);
    execl("/bin/sh", "sh", "-c",
          "if echo x 2>/dev/null >>\"$0\"; then echo 'ESCAPED: changed'; exit 1; fi; echo held",
          by_fd, NULL);
    return 2;
}
