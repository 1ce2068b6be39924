#include <stdio.h>
int main(void)
{
    continue;
    return 0;
}
