#include <stdio.h>
static int f(volatile int n)
{
    volatile int a[64] = { n };
    return f(n + 1) + a[0];
}
int main(void)
{
    printf("%d\n", f(0));
    return 0;
}
