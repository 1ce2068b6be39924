/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: replace oneself by oneself for ever: no process lives long enough to use its time
 * expect: end=cpu cpu_ms=200..240
 * limits: cpu_ms=200 wall_ms=4000
 * needs: cgroup
 */
#include "hostile.h"

int main(int argc, char **argv, char **env)
{
    (void)argc;
    execve("/proc/self/exe", argv, env);
    perror("execve");
    return 1;
}
