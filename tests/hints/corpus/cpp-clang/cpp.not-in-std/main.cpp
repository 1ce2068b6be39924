#include <iostream>

int main()
{
    std::vector<int> v;
    v.push_back(1);
}
