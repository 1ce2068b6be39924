#include <string.h>
#include <stdio.h>
int main(void)
{
    char a[8];
    const char *volatile s = "a text that is too long";
    strcpy(a, s);
    puts(a);
    return 0;
}
