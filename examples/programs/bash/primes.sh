#!/bin/bash
# How many primes are there below 200000, and what do they add up to?
limit=200000 count=0 sum=0
for ((i = 3; i * i < limit; i += 2)); do
    if [ -z "${composite[i]}" ]; then
        for ((k = i * i; k < limit; k += 2 * i)); do composite[k]=1; done
    fi
done
for ((i = 3, count = 1, sum = 2; i < limit; i += 2)); do
    if [ -z "${composite[i]}" ]; then ((count++, sum += i)); fi
done
echo "$count $sum"
