#include <stdio.h>
int main(void)
{
    string s = "a";
    return 0;
}
