int f()
{
    return;
}
#include <iostream>

int main()
{
    std::cout << f();
}
