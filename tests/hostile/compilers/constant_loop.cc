// SPDX-License-Identifier: Apache-2.0
/*
 * attack: a computation without end at compile time
 * run: /usr/bin/g++ -std=c++17 -fconstexpr-loop-limit=2000000000 -fconstexpr-ops-limit=2000000000000 -c main.cc
 * limits: cpu_ms=2000 wall_ms=30000 memory_mb=256
 * expect: end=cpu|memory
 * needs: cgroup
 */
constexpr unsigned long spin()
{
    unsigned long n = 0;
    for (unsigned long i = 0; i < 1000000000000ul; i++)
        n += i;
    return n;
}
constexpr unsigned long x = spin();
