#include <stdio.h>
int main(void)
{
    bool done = 0;
    return 0;
}
