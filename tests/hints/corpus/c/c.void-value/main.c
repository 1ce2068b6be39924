static void f(void)
{
}
#include <stdio.h>
int main(void)
{
    int n = f();
    printf("%d\n", n);
    return 0;
}
