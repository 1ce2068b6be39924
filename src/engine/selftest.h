/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selftest.h - does a language work on this machine: its own test program through the engine.
 */
#ifndef EVALX_ENGINE_SELFTEST_H
#define EVALX_ENGINE_SELFTEST_H

#include "engine/engine.h"

/*
 * Build and run the language's test program as a client's submission would be, without the cache.
 *
 * ret      set when it ran, whatever came out; a working language gives VERDICT_ACCEPTED
 * errors   NOT_FOUND the language has no test program; else trouble of ours
 * threads  any; waits until the run is over
 */
MUST_USE bool language_selftest(struct engine *en, const struct language *lang, struct result **ret,
                                struct err *e);

#endif
