#include <map>
#include <iostream>

int main()
{
    std::map<int, int> m;
    std::cout << m.at(3);
}
