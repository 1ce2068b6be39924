#include <string>
#include <iostream>

int main()
{
    std::string s = "abc", *p = &s;
    std::cout << p.size();
}
