#include <string>
#include <iostream>

int main()
{
    std::cout << std::stoi("99999999999");
}
