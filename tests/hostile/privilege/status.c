/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: none. What the kernel itself says about the program: no capabilities, no new privileges,
 *         a filter, its own pid namespace
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

static void check(const char *line, const char *key, const char *want)
{
    size_t n = strlen(key);

    if (!strncmp(line, key, n) && strcmp(line + n, want))
        escaped("%s%.*s", key, (int)strcspn(line + n, "\n"), line + n);
}

int main(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];

    if (!f)
        escaped("no /proc/self/status");
    while (f && fgets(line, sizeof line, f)) {
        check(line, "CapInh:\t", "0000000000000000\n");
        check(line, "CapPrm:\t", "0000000000000000\n");
        check(line, "CapEff:\t", "0000000000000000\n");
        check(line, "CapBnd:\t", "0000000000000000\n");
        check(line, "CapAmb:\t", "0000000000000000\n");
        check(line, "NoNewPrivs:\t", "1\n");
        check(line, "Seccomp:\t", "2\n");
        check(line, "Seccomp_filters:\t", "1\n");
        check(line, "TracerPid:\t", "0\n");
        check(line, "PPid:\t", "0\n");
        check(line, "SigBlk:\t", "0000000000000000\n");
        check(line, "SigIgn:\t", "0000000000000000\n");
    }
    return verdict();
}
