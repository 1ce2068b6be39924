#include <optional>
#include <iostream>

int main()
{
    std::optional<int> o;
    std::cout << o.value();
}
