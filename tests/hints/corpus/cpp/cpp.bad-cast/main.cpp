struct A { virtual ~A() {} };
struct B : A {};
#include <iostream>

int main()
{
    A a;
    A &r = a;
    B &b = dynamic_cast<B &>(r);
    (void)b;
}
