// A compile error, as everybody makes one: no semicolon.
#include <iostream>

int main()
{
    std::cout << "hello\n"
    return 0;
}
