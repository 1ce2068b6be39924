#include <stdlib.h>

int main(void)
{
    volatile char *p = malloc(24);
    for (int i = 0; i < 64; i++)
        p[i] = 1;
    volatile char *q = malloc(200000);
    q[0] = p[0];
    free((void *)q);
    volatile char *r = malloc(2000);
    r[0] = 1;
    return 0;
}
