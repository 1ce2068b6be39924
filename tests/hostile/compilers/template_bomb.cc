// SPDX-License-Identifier: Apache-2.0
/*
 * attack: templates that double with each level
 * run: /usr/bin/g++ -ftemplate-depth=100000 -c main.cc
 * limits: cpu_ms=3000 wall_ms=30000 memory_mb=256
 * expect: end=cpu|memory
 * needs: cgroup
 */
template <int N, int M> struct bomb {
    static const int value = bomb<N - 1, 2 * M>::value + bomb<N - 1, 2 * M + 1>::value;
};
template <int M> struct bomb<0, M> {
    static const int value = M;
};
int x = bomb<30, 0>::value;
