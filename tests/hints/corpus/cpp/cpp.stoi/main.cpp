#include <string>
#include <iostream>

int main()
{
    std::string s = "abc";
    std::cout << std::stoi(s);
}
