#include <algorithm>
#include <iostream>

int main()
{
    long a = 3;
    std::cout << std::max(a, 2);
}
