#include <iostream>
int main()
{
    std::cout << 1;

int f()
{
    return 1;
}
}
