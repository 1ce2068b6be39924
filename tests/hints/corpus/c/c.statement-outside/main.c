#include <stdio.h>
printf("hi\n");
int main(void)
{
    return 0;
}
