/* SPDX-License-Identifier: Apache-2.0 */
/* refuse.h - one sentence for a client whose input is wrong: the path of the field, and the fix. */
#ifndef EVALX_JOB_REFUSE_H
#define EVALX_JOB_REFUSE_H

#include "base/err.h"

enum { FIELD_TEXT = sizeof((struct err *)0)->field };

/*
 * err_invalid() whose text is "WHERE+KEY SENTENCE": where is "" or a prefix such as "tests[3].".
 * Always false.
 */
bool refuse(struct err *e, const char *where, const char *key, const char *fmt, ...) PRINTF(4, 5);

#endif
