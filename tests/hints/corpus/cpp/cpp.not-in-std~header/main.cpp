#include <iostream>

int main()
{
    int n[2] = { 2, 1 };
    std::sort(n, n + 2);
}
