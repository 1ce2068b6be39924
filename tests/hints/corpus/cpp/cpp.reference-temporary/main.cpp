void f(int &n)
{
    n++;
}
#include <iostream>

int main()
{
    f(3);
}
