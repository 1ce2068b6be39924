#include <stdio.h>
int main(void)
{
    int a[3] = { 1, 2, 3 };
    volatile int i = 3;
    printf("%d\n", a[i]);
    return 0;
}
