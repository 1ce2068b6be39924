#include <stdio.h>
int main(void)
{
    strng s = 0;
    return 0;
}
