#include <vector>
#include <iostream>

int main()
{
    std::vector<int> v;
    volatile int i = 3;
    v[i] = 3;
    std::cout << v[i];
}
