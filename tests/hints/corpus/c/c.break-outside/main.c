#include <stdio.h>
int main(void)
{
    break;
    return 0;
}
