/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: a second thread execs while the main one waits: the kernel hands it the leader's pid
 * expect: end=exit exit_code=7 out="second life\n"
 */
#include <pthread.h>

#include "hostile.h"

static void *exec_again(void *arg)
{
    char *const argv[] = { (char *)"again", (char *)"x", NULL };

    execve("/proc/self/exe", argv, NULL);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (argc > 1 && !strcmp(argv[0], "again")) {
        printf("second life\n");
        return 7;
    }
    pthread_create(&thread, NULL, exec_again, NULL);
    for (;;)
        pause();
}
