/* Writes where it may not: killed by signal 11. */
#include <stdio.h>

int main(void)
{
    volatile int *volatile nowhere = NULL;
    puts("before the crash");
    fflush(stdout);
    *nowhere = 1;
    return 0;
}
