class A {
    int n = 1;
};
#include <iostream>

int main()
{
    A a;
    std::cout << a.n;
}
