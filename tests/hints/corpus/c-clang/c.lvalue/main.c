#include <stdio.h>
int main(void)
{
    int a = 1, b = 2;
    if (a + b = 3)
        printf("three\n");
    return 0;
}
