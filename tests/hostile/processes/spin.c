/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: use the CPU for ever
 * expect: end=cpu cpu_ms=300..330
 * limits: cpu_ms=300 wall_ms=3000
 */
int main(void)
{
    for (volatile unsigned i = 0;; i++)
        continue;
}
