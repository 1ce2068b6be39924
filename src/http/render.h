/* SPDX-License-Identifier: Apache-2.0 */
/*
 * render.h - the native face's JSON of submissions and languages. Units are in the names.
 *
 * Threads: any; no state.
 */
#ifndef EVALX_HTTP_RENDER_H
#define EVALX_HTTP_RENDER_H

#include "base/json.h"
#include "lang/lang.h"
#include "store/store.h"

/* A whole submission. with_source: the files too. record must hold its job. */
void render_submission(const struct record *record, bool with_source, struct json_writer *w);

/* A row of the history: no output, no tests. */
void render_summary(const struct record *record, struct json_writer *w);

/* One element of "tests" with its index before it, appended; as BUS_TEST carries it. */
void render_test(const struct test_result *t, size_t index, struct buf *out);

void render_language(const struct language *l, struct json_writer *w);

#endif
