/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_box.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "lang/lang.h"
#include "sandbox/box.h"

struct box {
    int lane;
    int64_t rebuilds;
    bool running, cancel; /* guarded by lock */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct fake_box_state now;
static bool gate_open, once_used;

void fake_reset(void)
{
    pthread_mutex_lock(&lock);
    now = (struct fake_box_state){ 0 };
    gate_open = once_used = false;
    pthread_mutex_unlock(&lock);
}

struct fake_box_state fake_state(void)
{
    pthread_mutex_lock(&lock);
    struct fake_box_state state = now;
    pthread_mutex_unlock(&lock);
    return state;
}

void fake_set(struct fake_box_state state)
{
    pthread_mutex_lock(&lock);
    now = state;
    pthread_mutex_unlock(&lock);
}

void fake_open_gate(void)
{
    pthread_mutex_lock(&lock);
    gate_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void fake_wait_at_gate(int count)
{
    pthread_mutex_lock(&lock);
    while (now.came_to_gate < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* ---- programs ---- */

static void wait_at_gate(struct box *b)
{
    pthread_mutex_lock(&lock);
    now.came_to_gate++;
    pthread_cond_broadcast(&changed);
    while (!gate_open && !b->cancel)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void wait_once(struct box *b)
{
    pthread_mutex_lock(&lock);
    bool first = !once_used;
    once_used = true;
    pthread_mutex_unlock(&lock);
    if (first)
        wait_at_gate(b);
}

/* Until a second program has started, on another lane. */
static void wait_for_second(struct box *b)
{
    pthread_mutex_lock(&lock);
    while (now.runs < 2 && !b->cancel)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* Until something is so, or the run is cancelled. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        pthread_mutex_lock(&lock);                                                                 \
        while (!(condition) && !b->cancel)                                                         \
            pthread_cond_wait(&changed, &lock);                                                    \
        pthread_mutex_unlock(&lock);                                                               \
    } while (0)

static void add_one(int *count)
{
    pthread_mutex_lock(&lock);
    ++*count;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void tell(const struct plan *plan, bool waiting)
{
    if (plan->on_waiting)
        plan->on_waiting(plan->on_waiting_arg, waiting);
}

static void nap(struct box *b, const struct plan *plan)
{
    tell(plan, true);
    WAIT_UNTIL(now.runs >= 2);
    tell(plan, false);
    add_one(&now.naps);
}

static void sleep_at_gate(struct box *b, const struct plan *plan)
{
    tell(plan, true);
    wait_at_gate(b);
    tell(plan, false);
}

static void flap(const struct plan *plan, int times)
{
    for (int i = 0; i < times; i++) {
        tell(plan, true);
        tell(plan, false);
    }
}

/* False: it was stopped by the wall limit. */
static bool crowd(struct box *b, struct report *r)
{
    if (fake_state().crowds > 0)
        return true;
    WAIT_UNTIL(now.naps > 0);
    usleep(5000); /* the time is real, more of it does no harm */
    r->end = END_WALL;
    add_one(&now.crowds);
    return false;
}

static int number(struct str s)
{
    int64_t value = 0;
    return parse_int(s, &value) ? (int)value : -1;
}

static void copy_stdin(int fd, struct buf *out)
{
    char bytes[512];
    ssize_t got;
    for (off_t at = 0; fd >= 0 && (got = pread(fd, bytes, sizeof bytes, at)) > 0; at += got)
        buf_add(out, bytes, (size_t)got);
}

/* False: the program ended with this line. */
static bool run_line(struct box *b, const struct plan *plan, struct str line, struct report *r)
{
    struct str rest = { line.ptr + line.len, 0 };
    const char *space = memchr(line.ptr, ' ', line.len);
    if (space)
        rest = (struct str){ space + 1, (size_t)(line.ptr + line.len - space - 1) };
    if (str_starts(line, "print")) {
        buf_addf(&r->out, "%.*s\n", STR_FMT(rest));
    } else if (str_is(line, "cat")) {
        copy_stdin(plan->stdin_fd, &r->out);
    } else if (str_is(line, "args")) {
        for (size_t i = 1; plan->argv[i]; i++)
            buf_addf(&r->out, "%s\n", plan->argv[i]);
    } else if (str_is(line, "env")) {
        for (size_t i = 0; plan->env[i]; i++)
            buf_addf(&r->out, "%s\n", plan->env[i]);
    } else if (str_is(line, "gate")) {
        wait_at_gate(b);
    } else if (str_is(line, "gate for bad")) {
        if (str_is(buf_str(&r->out), "bad"))
            wait_at_gate(b);
    } else if (str_is(line, "pair")) {
        wait_for_second(b);
    } else if (str_is(line, "once")) {
        wait_once(b);
    } else if (str_is(line, "number")) {
        buf_addf(&r->out, "%d\n", fake_state().runs);
    } else if (str_is(line, "alone")) {
        buf_addf(&r->out, "%s\n", fake_state().running == 1 ? "alone" : "together");
    } else if (str_is(line, "sleep")) {
        sleep_at_gate(b, plan);
    } else if (str_is(line, "nap")) {
        nap(b, plan);
    } else if (str_starts(line, "flap")) {
        flap(plan, number(rest));
    } else if (str_is(line, "crowd")) {
        return crowd(b, r);
    } else if (str_is(line, "after crowd")) {
        WAIT_UNTIL(now.crowds > 0);
    } else if (str_starts(line, "exit")) {
        r->exit_code = number(rest);
        return false;
    } else if (str_starts(line, "signal")) {
        r->end = END_SIGNAL;
        r->signal = number(rest);
        return false;
    }
    return true;
}

static bool next_line(struct str *text, struct str *line)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->ptr, '\n', text->len);
    size_t len = end ? (size_t)(end - text->ptr) : text->len;
    *line = (struct str){ text->ptr, len };
    text->ptr += len + (end != NULL);
    text->len -= len + (end != NULL);
    return true;
}

static void run_program(struct box *b, const struct plan *plan, struct str text, struct report *r)
{
    struct str line;
    while (next_line(&text, &line) && run_line(b, plan, line, r))
        ;
}

static void use_memory(const struct plan *plan, int mib, struct report *r)
{
    int64_t bytes = (int64_t)mib << 20, limit = plan->limits.memory_bytes;
    if (bytes > limit)
        r->end = END_MEMORY;
    r->memory_bytes = MIN(bytes, limit);
}

static void build_program(struct box *b, const struct plan *plan, struct str text, struct report *r)
{
    struct str all = text, line;
    bool leave = true;
    while (next_line(&text, &line)) {
        if (str_starts(line, "#error") || str_starts(line, "#warn"))
            buf_addf(&r->out, "%.*s\n", STR_FMT(line));
        if (str_starts(line, "#error"))
            r->exit_code = 1;
        if (str_is(line, "#slow"))
            r->end = END_WALL;
        if (str_is(line, "#gate"))
            wait_at_gate(b);
        if (str_starts(line, "#uses "))
            use_memory(plan, number((struct str){ line.ptr + 6, line.len - 6 }), r);
        if (str_is(line, "#nothing"))
            leave = false;
    }
    if (r->end != END_EXIT || r->exit_code != 0 || !leave)
        return;
    struct err e;
    int fd = memfd_of("a.out", all, 0555, &e);
    CHECK(fd >= 0);
    r->files = calloc(1, sizeof *r->files);
    r->files[0] = (struct report_file){ strdup("a.out"), fd, (int64_t)all.len, 0755 };
    r->file_count = 1;
}

static struct buf content_of(int fd)
{
    struct buf text = { 0 };
    copy_stdin(fd, &text);
    buf_reserve(&text, 0);
    return text;
}

/* ---- the box ---- */

static bool begin_run(struct box *b, bool build, int64_t memory_bytes, struct err *e)
{
    pthread_mutex_lock(&lock);
    bool fails = now.run_fails > 0;
    if (fails)
        now.run_fails--;
    else if (build)
        now.builds++;
    else
        now.runs++;
    now.lanes |= 1u << (b->lane % 32);
    b->running = true;
    b->cancel = false;
    now.running += !fails;
    now.most_running = MAX(now.most_running, now.running);
    now.memory_bytes += fails ? 0 : memory_bytes;
    now.most_memory_bytes = MAX(now.most_memory_bytes, now.memory_bytes);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    if (fails) {
        b->rebuilds++;
        return err_set(e, ERR_SYSTEM, "the lane died");
    }
    return true;
}

bool box_run(struct box *b, const struct plan *plan, struct report *ret, struct err *e)
{
    bool build = strcmp(plan->argv[0], "build") == 0;
    int fd = plan->exe_fd >= 0 ? plan->exe_fd : plan->files[0].fd;
    CHECK((plan->exe_fd >= 0) == (strcmp(plan->argv[0], "./a.out") == 0));
    if (!begin_run(b, build, plan->limits.memory_bytes, e))
        return false;

    CLEANUP(buf_done) struct buf text = content_of(fd);
    *ret = (struct report){ .end = END_EXIT, .wall_us = 3000, .cpu_us = 1000, .memory_bytes = 5 };
    if (build)
        build_program(b, plan, buf_str(&text), ret);
    else
        run_program(b, plan, buf_str(&text), ret);

    pthread_mutex_lock(&lock);
    if (b->cancel) {
        ret->end = END_CANCELLED;
        now.cancelled++;
    }
    b->running = b->cancel = false;
    now.running--;
    now.memory_bytes -= plan->limits.memory_bytes;
    pthread_mutex_unlock(&lock);
    return true;
}

void box_cancel(struct box *b)
{
    pthread_mutex_lock(&lock);
    if (now.late_cancel > 0)
        now.late_cancel--;
    else
        b->cancel = b->running;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

struct box *box_open(UNUSED struct keeper *k, int lane, struct err *e)
{
    int fails = fake_state().open_fails;
    if (fails == lane + 1 || (fails < 0 && lane > 0)) {
        err_set(e, ERR_SYSTEM, "lane %d: seccomp: no such layer", lane);
        return NULL;
    }
    struct box *b = calloc(1, sizeof *b);
    CHECK(b != NULL);
    b->lane = lane;
    return b;
}

void box_close(struct box *b)
{
    free(b);
}

int64_t box_rebuilds(const struct box *b)
{
    return b->rebuilds;
}

/* ---- the two languages ---- */

static const char *const build_argv[] = { "build", "{options}", "{source}", NULL };
static const char *const exe_argv[] = { "./a.out", "{args}", NULL };
static const char *const script_argv[] = { "script", "{source}", "{args}", NULL };
static const char *const artifact[] = { "a.out", NULL };
static const char *const compiled_env[] = { "HOME=/box", "COMPILED=1", NULL };

static const struct language languages[] = {
    {
        .id = "compiled",
        .offered = true,
        .source_file = "main.src",
        .build = { build_argv },
        .run = { exe_argv },
        .artifact = artifact,
        .single_executable = true,
        .env = compiled_env,
        .toolchain = "1",
        .test_source = "cat\n",
        .test_stdin = "7",
        .test_expected = "7",
    },
    {
        .id = "script",
        .offered = true,
        .source_file = "main.script",
        .run = { script_argv },
        .toolchain = "1",
        .test_source = "print 6\n",
        .test_expected = "7",
    },
    { .id = "absent", .package = "absent-tools" },
};

const struct language *catalogue_find(UNUSED const struct catalogue *c, struct str name,
                                      struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(languages); i++)
        if (str_is(name, languages[i].id))
            return &languages[i];
    err_invalid(e, "language", "unknown");
    return NULL;
}
