#include <stdio.h>
int main(void)
{
    int n = 1;
    switch (n) {
    case 1:
        break;
    case 1:
        break;
    }
    return 0;
}
