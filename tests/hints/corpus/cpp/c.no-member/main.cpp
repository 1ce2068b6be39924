#include <vector>
#include <iostream>

int main()
{
    std::vector<int> v;
    v.push(3);
}
