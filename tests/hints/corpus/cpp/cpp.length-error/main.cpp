#include <vector>
#include <iostream>

int main()
{
    volatile int n = -1;
    std::vector<int> v(n);
    std::cout << v.size();
}
