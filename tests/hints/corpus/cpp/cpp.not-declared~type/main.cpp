#include <iostream>

int main()
{
    strng s;
}
