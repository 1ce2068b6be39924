#include <stdlib.h>
#include <stdio.h>
int main(void)
{
    char *volatile p = malloc(100);
    p[0] = 1;
    free(p);
    free(p);
    return 0;
}
