static int add(int a, int b)
{
    return a + b;
}
#include <stdio.h>
int main(void)
{
    printf("%d\n", add(1, 2, 3));
    return 0;
}
