struct A {
    int n = 0;
    int get() { return n; }
};
#include <iostream>

int main()
{
    const A a;
    std::cout << a.get();
}
