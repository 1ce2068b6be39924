struct point { int x, y; };
#include <stdio.h>
int main(void)
{
    struct point p = { 1, 2 }, *q = &p;
    printf("%d\n", q.x);
    return 0;
}
