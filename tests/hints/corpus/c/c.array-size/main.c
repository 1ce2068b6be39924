#include <stdio.h>
int main(void)
{
    int n[-3];
    n[0] = 1;
    return 0;
}
