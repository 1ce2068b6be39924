/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocator: nothing beside the program itself. A hello world is small, also after a large run
 * expect: end=exit exit_code=0 memory_bytes=stdout
 */
#include "hostile.h"

int main(void)
{
    printf("0\n");
    return 0;
}
