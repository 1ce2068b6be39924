/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: none. The top of the tree holds what programs need and not one name more
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <dirent.h>

#include "hostile.h"

static bool among(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(name, *names))
            return true;
    return false;
}

static void check(const char *folder, const char *const *names)
{
    DIR *d = opendir(folder);

    for (struct dirent *e; d && (e = readdir(d));)
        if (!among(e->d_name, names))
            escaped("%s holds %s", folder, e->d_name);
    if (d)
        closedir(d);
}

int main(void)
{
    static const char *const top[] = { ".",       "..",    "bin",   "box",    "dev",  "etc", "home",
                                       "lib",     "lib32", "lib64", "libx32", "proc", "run", "sbin",
                                       "scratch", "tmp",   "usr",   "var",    NULL };
    static const char *const none[] = { ".", "..", NULL };

    check("/", top);
    check("/home", none);
    check("/run", none);
    check("/scratch", none);
    check("/var/empty", none);
    check("/box", none);
    check("/tmp", none);
    check("/dev/shm", none);
    return verdict();
}
