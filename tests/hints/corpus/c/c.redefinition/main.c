#include <stdio.h>
int main(void)
{
    int n = 3;
    int n = 4;
    printf("%d\n", n);
    return 0;
}
