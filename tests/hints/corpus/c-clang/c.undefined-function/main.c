#include <stdio.h>
int main(void)
{
    prinf("hi\n");
    return 0;
}
