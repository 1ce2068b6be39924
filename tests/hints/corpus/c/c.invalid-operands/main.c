struct point { int x, y; };
#include <stdio.h>
int main(void)
{
    struct point p = { 1, 2 }, q = p;
    if (p == q)
        printf("same\n");
    return 0;
}
