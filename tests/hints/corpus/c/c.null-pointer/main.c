#include <stdio.h>
int main(void)
{
    volatile int *volatile p = NULL;
    *p = 3;
    return 0;
}
