#include <vector>
#include <iostream>

int main()
{
    std::vector v;
    std::cout << v.size();
}
