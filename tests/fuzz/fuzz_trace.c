/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of strangers: traceparent and tracestate. The first byte says which: p a traceparent, s
 * tracestate headers, one per line. What is taken is taken again as it is passed on.
 */
#include "base/trace.h"
#include "fuzz.h"

static void try_parent(struct str text)
{
    struct trace t, back;
    char passed[TRACEPARENT_TEXT];
    if (!trace_read(text, &t))
        return;
    trace_text(&t, passed);
    CHECK(strlen(passed) == TRACEPARENT_TEXT - 1 && trace_read(str_of(passed), &back));
    CHECK(strcmp(t.id, back.id) == 0 && strcmp(t.span, back.span) == 0 && t.flags == back.flags);
}

static void try_state(struct str text)
{
    CLEANUP(buf_done) struct buf state = { 0 }, again = { 0 };
    bool ok = true;
    while (ok && text.len) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        ok = tracestate_add(&state, (struct str){ text.ptr, len });
        text = end ? (struct str){ end + 1, text.len - len - 1 } : STR("");
    }
    CHECK(ok || state.len == 0);
    tracestate_bound(&state);
    CHECK(state.len <= TRACESTATE_BYTES);
    CHECK(tracestate_add(&again, buf_str(&state)) && str_eq(buf_str(&again), buf_str(&state)));
}

FUZZ(text)
{
    if (!text.len)
        return;
    struct str rest = { text.ptr + 1, text.len - 1 };
    if (text.ptr[0] == 'p')
        try_parent(rest);
    else if (text.ptr[0] == 's')
        try_state(rest);
}
