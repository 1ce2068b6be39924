#include <iostream>
struct A {
    int n;
}
int main()
{
    return 0;
}
