#include <vector>
#include <iostream>

int main()
{
    volatile long n = 1L << 40;
    std::vector<long> v(n);
    std::cout << v[0];
}
