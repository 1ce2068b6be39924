/* How many primes are there below 200000, and what do they add up to? */
#include <stdio.h>

enum { LIMIT = 200000 };
static char composite[LIMIT];

int main(void)
{
    long long count = 0, sum = 0;
    for (long i = 2; i < LIMIT; i++) {
        if (composite[i])
            continue;
        count++;
        sum += i;
        for (long k = i * i; k < LIMIT; k += i)
            composite[k] = 1;
    }
    printf("%lld %lld\n", count, sum);
    return 0;
}
