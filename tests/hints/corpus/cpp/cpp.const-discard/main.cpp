#include <string>
void f(const std::string &s)
{
    s += "x";
}
#include <iostream>

int main()
{
    f("a");
}
