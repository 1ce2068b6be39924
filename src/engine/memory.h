/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h - how much memory, and how many cores, programs may be promised together.
 *
 * What the machine has or a control group (v1 or v2) above this process may have of it, whichever
 * is less; of memory, a reserve is left for everybody else.
 *
 * root       "" or, in tests, a folder with proc/ and sys/ in it
 * delegated  EVALX_CGROUP_ROOT, where runs live then; or NULL
 * Source     Documentation/admin-guide/cgroup-v2.rst (memory.max, cpu.max), scheduler/sched-bwc.rst
 */
#ifndef EVALX_ENGINE_MEMORY_H
#define EVALX_ENGINE_MEMORY_H

#include <stdint.h>

/* In bytes, always above 0. */
int64_t memory_for_runs(const char *root, const char *delegated);

/* Of these cores so many that each has work all the time: docker --cpus=1.5 are 2. At least 1. */
int cores_for_runs(const char *root, const char *delegated, int cores);

#endif
