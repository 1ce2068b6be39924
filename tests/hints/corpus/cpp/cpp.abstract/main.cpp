struct A {
    virtual void f() = 0;
};
#include <iostream>

int main()
{
    A a;
}
