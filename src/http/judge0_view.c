/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A verdict as Judge0 would have told it. There the program is a child of a shell, so a crash is
 * not a signal but exit code 128 + n, with the shell's diagnostic on stderr: clients key on 137 and
 * on status 11, so that is what they get, unless the operator asked for precise statuses.
 */
#include <signal.h>

#include "http/judge0.h"

enum {
    QUEUED = 1,
    PROCESSING,
    ACCEPTED,
    WRONG_ANSWER,
    TIME_LIMIT,
    COMPILE_ERROR,
    SIGSEGV_STATUS,
    SIGXFSZ_STATUS,
    SIGFPE_STATUS,
    SIGABRT_STATUS,
    NONZERO,
    OTHER_SIGNAL,
    INTERNAL_ERROR,
};

const struct judge0_status judge0_statuses[] = {
    { QUEUED, "In Queue" },
    { PROCESSING, "Processing" },
    { ACCEPTED, "Accepted" },
    { WRONG_ANSWER, "Wrong Answer" },
    { TIME_LIMIT, "Time Limit Exceeded" },
    { COMPILE_ERROR, "Compilation Error" },
    { SIGSEGV_STATUS, "Runtime Error (SIGSEGV)" },
    { SIGXFSZ_STATUS, "Runtime Error (SIGXFSZ)" },
    { SIGFPE_STATUS, "Runtime Error (SIGFPE)" },
    { SIGABRT_STATUS, "Runtime Error (SIGABRT)" },
    { NONZERO, "Runtime Error (NZEC)" },
    { OTHER_SIGNAL, "Runtime Error (Other)" },
    { INTERNAL_ERROR, "Internal Error" },
    { 14, "Exec Format Error" }, /* what is executed there is always a shell: never seen */
};
_Static_assert(COUNT_OF(judge0_statuses) == JUDGE0_STATUS_COUNT, "ids are places plus one");

int judge0_status_of(enum verdict verdict)
{
    static const int statuses[VERDICT_COUNT] = {
        [VERDICT_ACCEPTED] = ACCEPTED,           [VERDICT_WRONG_ANSWER] = WRONG_ANSWER,
        [VERDICT_COMPILE_ERROR] = COMPILE_ERROR, [VERDICT_CPU_TIME_LIMIT] = TIME_LIMIT,
        [VERDICT_WALL_TIME_LIMIT] = TIME_LIMIT,  [VERDICT_MEMORY_LIMIT] = NONZERO,
        [VERDICT_OUTPUT_LIMIT] = NONZERO,        [VERDICT_RUNTIME_ERROR] = NONZERO,
    };
    return statuses[verdict] ? statuses[verdict] : INTERNAL_ERROR;
}

struct viewer {
    struct judge0_view *v;
    const struct job *job;
    const struct outcome *outcome;
    const struct context *context;
    struct arena *arena;
};

/* bash's words for a signal that ends a child; NULL: it says nothing. */
static const char *signal_words(int signal, bool *ret_core)
{
    static const struct {
        int signal;
        bool core;
        const char *words;
    } table[] = {
        { SIGHUP, false, "Hangup" },
        { SIGQUIT, true, "Quit" },
        { SIGILL, true, "Illegal instruction" },
        { SIGTRAP, true, "Trace/breakpoint trap" },
        { SIGABRT, true, "Aborted" },
        { SIGBUS, true, "Bus error" },
        { SIGFPE, true, "Floating point exception" },
        { SIGKILL, false, "Killed" },
        { SIGUSR1, false, "User defined signal 1" },
        { SIGSEGV, true, "Segmentation fault" },
        { SIGUSR2, false, "User defined signal 2" },
        { SIGALRM, false, "Alarm clock" },
        { SIGXCPU, true, "CPU time limit exceeded" },
        { SIGXFSZ, true, "File size limit exceeded" },
        { SIGSYS, true, "Bad system call" },
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (table[i].signal == signal) {
            *ret_core = table[i].core;
            return table[i].words;
        }
    }
    return NULL;
}

/* The run command as it would stand in the script. */
static const char *command_text(struct viewer *w)
{
    struct err e;
    const struct language *l = catalogue_find(w->context->catalogue, str_of(w->job->language), &e);
    const char *const empty[] = { NULL };
    struct command_words words = {
        .options = empty,
        .args = w->job->args,
        .source = w->job->file_count && w->job->files[0].path ? w->job->files[0].path : "",
        .main = "Main",
        .memory_bytes = w->job->limits.memory_bytes,
    };
    CLEANUP(buf_done) struct buf text = { 0 };
    const char *const *argv = l ? command_fill(&l->run, &words, w->arena) : empty;
    for (size_t i = 0; argv[i]; i++)
        buf_addf(&text, "%s%s", i ? " " : "", argv[i]);
    return arena_str(w->arena, buf_str(&text)).ptr;
}

/* What the shell would have written when its child died. */
static void add_diagnostic(struct viewer *w, int signal)
{
    bool core = false;
    const char *words = signal_words(signal, &core);
    const char *line = NULL;
    if (signal == SIGTERM)
        line = "Terminated\n";
    else if (words)
        line = arena_printf(w->arena, "run: line 1: %5d %-23s %s%s\n", 3, words,
                            core ? "(core dumped) " : "", command_text(w));
    if (!line || w->job->merge_stderr)
        return;
    CLEANUP(buf_done) struct buf text = { 0 };
    buf_add_str(&text, w->v->err.ptr ? w->v->err : STR(""));
    buf_add_text(&text, line);
    w->v->err = arena_str(w->arena, buf_str(&text));
}

static void exited(struct viewer *w, int code)
{
    w->v->status = NONZERO;
    w->v->exit_code = code;
    w->v->message = arena_printf(w->arena, "Exited with error status %d", code);
}

/* The sandboxed program itself was killed, as far as the client is to know. */
static void killed(struct viewer *w, int signal)
{
    w->v->status = signal == SIGSEGV   ? SIGSEGV_STATUS
                   : signal == SIGXFSZ ? SIGXFSZ_STATUS
                   : signal == SIGFPE  ? SIGFPE_STATUS
                   : signal == SIGABRT ? SIGABRT_STATUS
                                       : OTHER_SIGNAL;
    w->v->exit_code = 0;
    w->v->exit_signal = signal;
    w->v->message = arena_printf(w->arena, "Caught fatal signal %d", signal);
}

static void crashed(struct viewer *w, int signal)
{
    /* With no stack or no room for a byte of output even the shell dies. */
    bool shell_too = (signal == SIGSEGV && w->job->limits.stack_bytes == 0) ||
                     (signal == SIGXFSZ && w->job->limits.output_bytes == 0);
    if (shell_too || w->context->config.judge0.precise) {
        killed(w, signal);
    } else {
        exited(w, 128 + signal);
        add_diagnostic(w, signal);
    }
}

static void output_limit(struct viewer *w)
{
    const struct outcome *o = w->outcome;
    if (o->err_cut && !o->out_cut) /* the shell is killed when it writes its diagnostic */
        killed(w, SIGXFSZ);
    else if (o->exit_code > 0) /* the program saw the limit as an error and gave up by itself */
        exited(w, o->exit_code);
    else
        crashed(w, SIGXFSZ);
}

static void timed_out(struct viewer *w, const char *message)
{
    w->v->status = TIME_LIMIT;
    w->v->message = message;
}

static void runtime_error(struct viewer *w)
{
    const struct outcome *o = w->outcome;
    if (o->signal)
        crashed(w, o->signal);
    else
        exited(w, o->exit_code > 0 ? o->exit_code : 1);
}

static void memory_limit(struct viewer *w)
{
    if (w->outcome->exit_code > 0)
        exited(w, w->outcome->exit_code);
    else
        crashed(w, SIGKILL);
}

static void internal_error(struct viewer *w, const char *message)
{
    w->v->status = INTERNAL_ERROR;
    w->v->message = message ? message : "internal error";
    w->v->out = w->v->err = STR_NULL;
    w->v->ran = false;
}

static struct str null_if_empty(struct str s)
{
    return s.len ? s : STR_NULL;
}

static void view_outcome(struct viewer *w)
{
    const struct outcome *o = w->outcome;
    struct judge0_view *v = w->v;
    v->ran = true;
    v->out = null_if_empty(o->out);
    v->err = null_if_empty(o->err);
    v->cpu_us = o->cpu_us;
    v->wall_us = o->wall_us;
    v->memory_kb = o->memory_bytes / 1024;

    switch (o->verdict) {
    case VERDICT_ACCEPTED:
        v->status = ACCEPTED;
        break;
    case VERDICT_WRONG_ANSWER:
        v->status = WRONG_ANSWER;
        break;
    case VERDICT_CPU_TIME_LIMIT:
        timed_out(w, "Time limit exceeded");
        break;
    case VERDICT_WALL_TIME_LIMIT:
        timed_out(w, "Time limit exceeded (wall clock)");
        break;
    case VERDICT_MEMORY_LIMIT:
        memory_limit(w);
        break;
    case VERDICT_OUTPUT_LIMIT:
        output_limit(w);
        break;
    case VERDICT_RUNTIME_ERROR:
        runtime_error(w);
        break;
    case VERDICT_NONE:
    case VERDICT_COMPILE_ERROR:
    case VERDICT_CHECKER_ERROR:
    case VERDICT_CANCELLED:
    case VERDICT_INTERNAL_ERROR:
    case VERDICT_SKIPPED:
    case VERDICT_COUNT:
    default:
        internal_error(w, o->message ? o->message : verdict_title(o->verdict));
    }
}

/* The test that decided the verdict; a Judge0 submission has just one. */
static const struct outcome *deciding(const struct result *result)
{
    for (size_t i = 0; i < result->test_count; i++)
        if (result->tests[i].outcome.verdict == result->verdict)
            return &result->tests[i].outcome;
    return result->test_count ? &result->tests[0].outcome : NULL;
}

static void view_compile_error(struct viewer *w, const struct result *result)
{
    const struct outcome *o = &result->compile;
    bool late = o->verdict == VERDICT_CPU_TIME_LIMIT || o->verdict == VERDICT_WALL_TIME_LIMIT ||
                (o->limit && strstr(o->limit, "time"));
    w->v->status = COMPILE_ERROR;
    w->v->compile_output = late ? STR("Compilation time limit exceeded.") : null_if_empty(o->out);
    if (!w->v->compile_output.ptr && (o->message || result->message))
        w->v->compile_output = str_of(o->message ? o->message : result->message);
}

static void view_result(struct viewer *w, const struct result *result)
{
    w->outcome = deciding(result);
    if (result->verdict == VERDICT_COMPILE_ERROR) {
        view_compile_error(w, result);
        return;
    }
    if (result->compiled)
        w->v->compile_output = null_if_empty(result->compile.out);
    if (result->verdict == VERDICT_INTERNAL_ERROR || result->verdict == VERDICT_CANCELLED ||
        !w->outcome)
        internal_error(w, result->message ? result->message : verdict_title(result->verdict));
    else
        view_outcome(w);
}

void judge0_view(const struct record *record, const struct json *face,
                 const struct context *context, struct arena *arena, struct judge0_view *ret)
{
    *ret = (struct judge0_view){ .record = record, .face = face };
    struct viewer w = { .v = ret, .job = record->job, .context = context, .arena = arena };
    if (record->state == STATE_QUEUED)
        ret->status = QUEUED;
    else if (record->state == STATE_RUNNING)
        ret->status = PROCESSING;
    else if (record->result)
        view_result(&w, record->result);
    else
        internal_error(&w, record->state == STATE_CANCELLED ? "cancelled" : "the result is gone");
}
