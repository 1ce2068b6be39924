static int add(int a, int b)
{
    return a + b;
}
#include <stdio.h>
int main(void)
{
    printf("%d\n", add(1));
    return 0;
}
