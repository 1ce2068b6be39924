#include <stdio.h>
int main(void)
{
    double x = 5.5;
    printf("%f\n", x % 2);
    return 0;
}
