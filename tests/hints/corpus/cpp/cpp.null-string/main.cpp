#include <string>
#include <iostream>

int main()
{
    const char *volatile p = nullptr;
    std::string s(p);
    std::cout << s;
}
