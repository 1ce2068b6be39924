int f(int a);

double f(int a)
{
    return a;
}
#include <stdio.h>
int main(void)
{
    printf("%f\n", f(1));
    return 0;
}
