/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: find the service's environment: in one's own, on the stack behind it, in /proc
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <sys/auxv.h>

#include "hostile.h"

extern char **environ;

static bool known(const char *entry)
{
    return !strcmp(entry, "PATH=/usr/bin:/bin") || !strcmp(entry, "HOME=/box") ||
           !strcmp(entry, "LANG=C.UTF-8");
}

int main(void)
{
    char text[4096];
    int fd = open("/proc/self/environ", O_RDONLY), count = 0;
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    for (char **e = environ; *e; e++, count++)
        if (!known(*e))
            escaped("environment: %s", *e);
    if (count != 3)
        printf("ODD: %d variables, 3 were given\n", count), breaches++;
    for (char *e = text; e < text + n; e += strlen(e) + 1)
        if (!known(e))
            escaped("/proc/self/environ: %s", e);
    if (getauxval(AT_SECURE))
        printf("ODD: AT_SECURE is set\n"), breaches++;
    return verdict();
}
