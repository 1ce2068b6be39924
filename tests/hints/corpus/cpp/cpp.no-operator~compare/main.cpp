struct point { int x, y; };
#include <iostream>

int main()
{
    point p{ 1, 2 }, q = p;
    if (p == q)
        std::cout << 1;
}
