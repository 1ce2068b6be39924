#include <iostream>
int twice(int n);
int main()
{
    std::cout << twice(2);
}
