#include <vector>
#include <iostream>

int main()
{
    std::vector<int> v(3);
    volatile int i = 3;
    std::cout << v[i];
}
