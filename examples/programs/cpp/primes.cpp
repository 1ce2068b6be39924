// How many primes are there below 200000, and what do they add up to?
#include <iostream>
#include <vector>

int main()
{
    const int limit = 200000;
    std::vector<bool> composite(limit);
    long long count = 0, sum = 0;
    for (long long i = 2; i < limit; i++) {
        if (composite[i])
            continue;
        count++;
        sum += i;
        for (long long k = i * i; k < limit; k += i)
            composite[k] = true;
    }
    std::cout << count << ' ' << sum << '\n';
}
