struct point { int x, y; };
#include <stdio.h>
int main(void)
{
    struct point p = 3;
    printf("%d\n", p.x);
    return 0;
}
