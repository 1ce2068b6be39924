/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a compiler plug-in of one's own: code inside the compiler. It runs in the box, as the user
 * run: /bin/sh -c "gcc -shared -fPIC -o evil.so main.c && gcc -fplugin=./evil.so -c main.c; echo plugin $?"
 * limits: cpu_ms=4000 wall_ms=30000 memory_mb=256
 * expect: end=exit exit_code=0 out_has="held" out_lacks="ESCAPED"
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int plugin_is_GPL_compatible;

__attribute__((constructor)) static void loaded(void)
{
    if (open("/etc/shadow", O_RDONLY) >= 0 || open("/usr/x", O_CREAT | O_WRONLY, 0600) >= 0 ||
        setuid(0) == 0)
        printf("ESCAPED: the plug-in\n");
    printf("held\n");
    fflush(stdout);
}

int plugin_init(void *info, void *version);
int plugin_init(void *info, void *version)
{
    (void)info, (void)version;
    return 0;
}
