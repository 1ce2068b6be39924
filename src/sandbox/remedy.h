/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remedy.h - what the machine ran out of, and what an operator can do about it.
 *
 * Threads: any.  Source: errno(3), clone(2), memfd_create(2), execve(2).
 */
#ifndef EVALX_SANDBOX_REMEDY_H
#define EVALX_SANDBOX_REMEDY_H

#include <stdbool.h>

/* An errno that tells of the machine, whatever the program did: descriptors, memory, processes,
 * disk, a device that fails. */
bool is_shortage(int sys);

/* How to mend it, in half a sentence; NULL when the errno is no shortage. */
const char *remedy_of(int sys);

#endif
