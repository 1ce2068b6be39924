/* SPDX-License-Identifier: Apache-2.0 */
#include "http/origin.h"

bool origin_id_valid(const char *text)
{
    size_t len = strlen(text);
    if (!len || len > REQUEST_ID_BYTES)
        return false;
    for (const char *p = text; *p; p++)
        if (!((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
              strchr("-_.:/+=@", *p)))
            return false;
    return true;
}

/* Two of them are none: nobody knows which one is meant. */
struct parents {
    const char *text;
    int count;
};

static void on_parent(void *arg, const char *value)
{
    struct parents *p = arg;
    p->text = value;
    p->count++;
}

struct states {
    struct buf list;
    bool broken;
};

static void on_state(void *arg, const char *value)
{
    struct states *s = arg;
    s->broken = s->broken || !tracestate_add(&s->list, str_of(value));
}

static const char *read_state(struct request *r)
{
    struct states s = { 0 };
    request_headers(r, "tracestate", on_state, &s);
    const char *text = NULL;
    if (!s.broken && s.list.len) {
        tracestate_bound(&s.list);
        text = s.list.len ? arena_text(&r->arena, s.list.ptr) : NULL;
    }
    buf_done(&s.list);
    return text;
}

void origin_read(struct request *r)
{
    struct parents parents = { 0 };
    struct trace from;
    request_headers(r, "traceparent", on_parent, &parents);
    if (parents.count == 1 && trace_read(str_of(parents.text), &from)) {
        r->trace = trace_child(&from);
        memcpy(r->parent_span, from.span, sizeof r->parent_span);
        r->tracestate = read_state(r); /* says nothing without its traceparent */
    } else {
        r->trace = trace_new();
    }
    const char *id = request_header(r, "X-Request-Id");
    r->id = id && origin_id_valid(id) ? arena_text(&r->arena, id) : r->trace.span;
}

const char *origin_response(struct request *r)
{
    char text[TRACEPARENT_TEXT];
    trace_text(&r->trace, text);
    return arena_text(&r->arena, text);
}

void origin_mark(const struct request *r, struct job *job)
{
    job->trace = r->trace;
    job->tracestate = arena_text(&job->arena, r->tracestate);
}
