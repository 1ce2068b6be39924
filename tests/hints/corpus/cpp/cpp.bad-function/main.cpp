#include <functional>
#include <iostream>

int main()
{
    std::function<void()> f;
    f();
}
