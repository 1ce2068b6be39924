#include <assert.h>
#include <stdio.h>
int main(void)
{
    volatile int n = 3;
    assert(n == 4);
    return 0;
}
