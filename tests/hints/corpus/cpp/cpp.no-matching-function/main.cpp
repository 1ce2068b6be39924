#include <string>
#include <iostream>

int main()
{
    std::string s = "a";
    std::cout << std::stoi(3, s);
}
