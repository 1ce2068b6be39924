/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: see that there are other processes
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include <ctype.h>
#include <dirent.h>

#include "hostile.h"

int main(void)
{
    DIR *proc = opendir("/proc");

    if (!proc)
        printf("ODD: no /proc\n"), breaches++;
    for (struct dirent *e; proc && (e = readdir(proc));)
        if (isdigit((unsigned char)e->d_name[0]) && atol(e->d_name) != getpid())
            escaped("/proc shows %s", e->d_name);
    for (pid_t pid = 1; pid < 40000; pid++) {
        char path[32];
        struct stat s;

        if (pid == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/%d", pid);
        if (stat(path, &s) == 0)
            escaped("/proc/%d can be found", pid);
        if (getpgid(pid) >= 0 && getpgid(pid) == getpgid(0))
            escaped("process %d is in my group", pid);
    }
    return verdict();
}
