struct point { int x, y; };
#include <iostream>

int main()
{
    point p{ 1, 2 };
    std::cout << p;
}
