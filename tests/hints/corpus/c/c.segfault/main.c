#include <stdio.h>
int main(void)
{
    int a[3] = { 0 };
    volatile int i = 100000000;
    a[i] = 3;
    printf("%d\n", a[i]);
    return 0;
}
