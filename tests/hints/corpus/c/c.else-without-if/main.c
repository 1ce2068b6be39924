#include <stdio.h>
int main(void)
{
    int n = 3;
    if (n > 2);
        printf("a\n");
    else
        printf("b\n");
    return 0;
}
