#include <stdio.h>
int Main(void)
{
    printf("hi\n");
    return 0;
}
