#include <iostream>
using namespace std;
int main()
{
    unordered_map<int, int> m;
    m[1] = 2;
}
