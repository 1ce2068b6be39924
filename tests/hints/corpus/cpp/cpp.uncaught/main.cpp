#include <stdexcept>
#include <iostream>

int main()
{
    throw std::runtime_error("no way");
}
