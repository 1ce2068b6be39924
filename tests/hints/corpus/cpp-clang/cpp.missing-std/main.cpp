#include <iostream>

int main()
{
    cout << "hi";
}
