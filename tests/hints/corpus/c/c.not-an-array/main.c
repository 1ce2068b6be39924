#include <stdio.h>
int main(void)
{
    int n = 3;
    printf("%d\n", n[0]);
    return 0;
}
