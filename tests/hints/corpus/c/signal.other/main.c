#include <signal.h>

int main(void)
{
    raise(SIGUSR1);
}
