#include <stdio.h>
int main(void)
{
    int n = 3;
    printf("%d\n", n(2));
    return 0;
}
