#include <vector>
#include <iostream>

int main()
{
    std::vector<int> v(3);
    std::cout << v.at(3);
}
