struct point { int x, y; };
#include <stdio.h>
int main(void)
{
    struct point p = { 1, 2 };
    printf("%d\n", p->x);
    return 0;
}
