#include <stdio.h>
int main(void)
{
    FILE *f = fopen("x", "w");
    for (int i = 0; i < 1000000; i++)
        fputs("hello", f);
    return 0;
}
