#include <stdio.h>
int main(void)
{
    char name[10];
    name = "Ann";
    printf("%s\n", name);
    return 0;
}
