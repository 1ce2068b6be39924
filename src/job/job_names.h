/* SPDX-License-Identifier: Apache-2.0 */
/* job_names.h - the words that stand for enums in a job's JSON; shared by reader and writer. */
#ifndef EVALX_JOB_JOB_NAMES_H
#define EVALX_JOB_JOB_NAMES_H

#include "job/job.h"

/* Each list is indexed by its enum and ends in NULL. */
extern const char *const priority_names[];
extern const char *const cache_names[];
extern const char *const checker_names[];

#endif
