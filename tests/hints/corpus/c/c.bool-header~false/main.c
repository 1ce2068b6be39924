#include <stdio.h>
int main(void)
{
    int done = false;
    return 0;
}
