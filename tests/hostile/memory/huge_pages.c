/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack: take huge pages from the machine's pool: no memory account of the box counts them
 * expect: end=exit exit_code=0 out="held\n"
 * alone: fails
 */
#include "hostile.h"

int main(void)
{
    FILTERED(mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
                  -1, 0) == MAP_FAILED
                 ? -1
                 : 0);
    FILTERED(memfd_create("huge", MFD_HUGETLB));
    return verdict();
}
