#include <vector>

int main()
{
    vector<int> v;
}
