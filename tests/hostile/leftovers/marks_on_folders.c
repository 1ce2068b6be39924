/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: leave marks that are no files: attributes, access lists, modes and times of /box, /tmp
 *         and /dev/shm themselves, and on the system's files
 * expect: end=exit exit_code=0 out="done\n"
 */
#include <sys/xattr.h>

#include "hostile.h"

int main(void)
{
    static const char *const ours[] = { "/box", "/tmp", "/dev/shm" };
    static const char *const system[] = {
        "/", "/usr", "/usr/bin/env", "/etc", "/dev", "/dev/null"
    };
    /* version 2; user, group, mask, other and the named user 1000: all may read, write, enter */
    static const char acl[] = "\2\0\0\0\1\0\7\0\377\377\377\377\2\0\7\0\350\3\0\0"
                              "\4\0\7\0\377\377\377\377\20\0\7\0\377\377\377\377"
                              "\40\0\7\0\377\377\377\377";
    struct timespec times[2] = { { 1, 0 }, { 2, 0 } };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        setxattr(ours[i], "user.mark", "here", 4, 0);
        setxattr(ours[i], "system.posix_acl_access", acl, sizeof acl - 1, 0);
        setxattr(ours[i], "system.posix_acl_default", acl, sizeof acl - 1, 0);
        utimensat(AT_FDCWD, ours[i], times, 0);
        chmod(ours[i], 01777);
    }
    for (size_t i = 0; i < sizeof system / sizeof *system; i++) {
        if (setxattr(system[i], "user.mark", "here", 4, 0) == 0)
            escaped("an attribute on %s", system[i]);
        if (utimensat(AT_FDCWD, system[i], times, 0) == 0)
            escaped("times of %s", system[i]);
    }
    if (breaches)
        return verdict();
    printf("done\n");
    return 0;
}
