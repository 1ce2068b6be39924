#include <stdio.h>
int printf(const char *f, ...) { return 0; }
int count(void) { return 1; }
int count(void) { return 2; }
int main(void)
{
    return 0;
}
