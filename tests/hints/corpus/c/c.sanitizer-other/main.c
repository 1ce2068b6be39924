#include <stdio.h>
int main(void)
{
    volatile int n = 2147483647;
    n = n + 1;
    printf("%d\n", n);
    return 0;
}
