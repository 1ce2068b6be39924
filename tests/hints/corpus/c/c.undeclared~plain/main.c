#include <stdio.h>
int main(void)
{
    printf("%d\n", n);
    return 0;
}
