static int add(int a, int b)
{
    return a + b;
}
#include <iostream>

int main()
{
    std::cout << add(1);
}
