"""How many primes are there below 200000, and what do they add up to?"""

LIMIT = 200_000
prime = bytearray([1]) * LIMIT
prime[0] = prime[1] = 0
for i in range(2, int(LIMIT**0.5) + 1):
    if prime[i]:
        prime[i * i :: i] = bytes(len(range(i * i, LIMIT, i)))
print(sum(prime), sum(i for i in range(LIMIT) if prime[i]))
