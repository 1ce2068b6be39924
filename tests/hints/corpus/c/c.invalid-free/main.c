#include <stdlib.h>
#include <stdio.h>
int main(void)
{
    char a[10];
    char *volatile p = a;
    p[0] = 1;
    free(p + 1);
    return 0;
}
