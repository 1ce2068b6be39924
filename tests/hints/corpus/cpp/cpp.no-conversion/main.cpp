#include <string>
#include <iostream>

int main()
{
    int n = std::string("3");
    std::cout << n;
}
