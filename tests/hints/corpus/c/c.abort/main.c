#include <stdlib.h>
#include <stdio.h>
int main(void)
{
    abort();
    return 0;
}
