#include <iostream>
void start()
{
    std::cout << 1;
}
