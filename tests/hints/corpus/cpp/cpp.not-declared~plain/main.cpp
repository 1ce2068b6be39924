#include <iostream>

int main()
{
    std::cout << n;
}
