#include <bits/stdc++.h>

int main()
{
    std::regex r("a+");
    std::cout << std::regex_match("aaa", r);
}
