struct point { int width, height; };
#include <stdio.h>
int main(void)
{
    struct point p = { 1, 2 };
    printf("%d\n", p.widht);
    return 0;
}
