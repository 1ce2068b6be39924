#include <iostream>

int main()
{
    std::cuot << "hi";
}
