#include <thread>
#include <iostream>

int main()
{
    std::thread t([] {});
}
