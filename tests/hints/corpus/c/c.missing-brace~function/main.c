#include <stdio.h>
int main(void)
{
    printf("hi\n");
    return 0;

int f(void)
{
    return 1;
}
