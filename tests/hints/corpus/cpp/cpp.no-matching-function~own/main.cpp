#include <string>
int f(const std::string &s, int n)
{
    return n;
}
#include <iostream>

int main()
{
    std::cout << f(3);
}
