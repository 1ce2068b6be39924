#include <string.h>
#include <stdio.h>
int main(void)
{
    char a[8];
    volatile int n = 64;
    memset(a, 1, n);
    printf("%d\n", a[1]);
    return 0;
}
