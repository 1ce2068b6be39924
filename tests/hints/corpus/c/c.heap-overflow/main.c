#include <stdlib.h>
#include <string.h>
#include <stdio.h>
int main(void)
{
    char *volatile p = malloc(24), *volatile q = malloc(2000), *volatile r = malloc(24);
    volatile int n = 64;
    memset(p, 1, n);
    free(q);
    free(r);
    return 0;
}
