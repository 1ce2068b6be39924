#include <iostream>
struct A {
    virtual ~A();
    virtual void f();
};
int main()
{
    A *a = new A;
    a->f();
}
