#include <stdio.h>
int main(void)
{
    volatile int a[30000000];
    for (int i = 0; i < 30000000; i++)
        a[i] = i;
    printf("%d\n", a[5]);
    return 0;
}
