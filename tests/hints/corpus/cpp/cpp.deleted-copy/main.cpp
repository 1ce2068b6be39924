#include <memory>
#include <iostream>

int main()
{
    std::unique_ptr<int> p(new int(3)), q = p;
    std::cout << *q;
}
