/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between server, keeper and lane, from a side that lies: every kind of body, with and
 * without descriptors. The first byte chooses what the rest is read as.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>

#include "sandbox/message.h"
#include "sandbox/pattern.h"

static void fill(struct wire *w, struct str body, int fds)
{
    wire_start(w, WIRE_PLAN);
    buf_add_str(&w->body, body);
    for (int i = 0; i < fds; i++)
        wire_put_fd(w, open("/dev/null", O_RDONLY | O_CLOEXEC));
    w->received = true; /* what is not taken is closed */
}

static void read_plan(struct wire *w)
{
    CLEANUP(plan_held_done) struct plan_held held;
    struct err e;
    if (!plan_get(w, &held, &e))
        held = (struct plan_held){ .plan = { .exe_fd = -1, .stdin_fd = -1 } };
}

static void read_report(struct wire *w)
{
    CLEANUP(report_done) struct report report = { 0 };
    struct err e;
    (void)!report_get(w, &report, &e);
}

static void read_setup(struct wire *w)
{
    struct lane_setup setup;
    struct err e;
    if (setup_get(w, &setup, &e))
        config_held_done(&setup.held);
}

static void read_layers(struct wire *w)
{
    struct layers layers;
    struct err e;
    layers_get(w, &layers);
    wire_get_err(w, &e);
}

/* Pattern and path, separated by a newline. */
static void match(struct str both)
{
    char text[512];
    size_t len = MIN(both.len, sizeof text - 1);
    memcpy(text, both.ptr, len);
    text[len] = '\0';
    char *path = strchr(text, '\n');
    if (!path)
        return;
    *path++ = '\0';
    (void)pattern_match(text, path);
}

FUZZ(text)
{
    static void (*const readers[])(struct wire *) = { read_plan, read_report, read_setup,
                                                      read_layers };
    if (text.len == 0)
        return;
    const struct str rest = { text.ptr + 1, text.len - 1 };
    unsigned int kind = (unsigned char)text.ptr[0] % 10;
    if (kind >= 2 * COUNT_OF(readers)) {
        match(rest);
        return;
    }
    CLEANUP(wire_done) struct wire w = { 0 };
    fill(&w, rest, kind >= COUNT_OF(readers) ? 3 : 0);
    readers[kind % COUNT_OF(readers)](&w);
}
