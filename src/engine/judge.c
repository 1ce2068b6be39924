/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a run did to what is said about it. One table per kind of ending; the sentences are for
 * people who learn to program, and give nothing of the expected output away.
 */
#include "engine/judge.h"

#include <errno.h>
#include <signal.h>

#include "engine/judge_match.h"

static const struct {
    int number;
    const char *name;
    const char *meaning;
} signals[] = {
    { SIGSEGV, "SIGSEGV",
      "it used memory that is not its own: an index out of range, a bad pointer, or a recursion "
      "too deep" },
    { SIGABRT, "SIGABRT",
      "it gave up by itself: a failed assertion, an uncaught exception, or damaged memory" },
    { SIGFPE, "SIGFPE", "an arithmetic error, most often a division by zero" },
    { SIGBUS, "SIGBUS", "it used memory that cannot be reached: a bad pointer or a full disk" },
    { SIGILL, "SIGILL", "it ran into bytes that are no instruction of this processor" },
    { SIGSYS, "SIGSYS", "it asked the system for something that is not allowed here" },
    { SIGXFSZ, "SIGXFSZ", "it wrote a file larger than allowed" },
    { SIGPIPE, "SIGPIPE", "it wrote to a pipe that nobody reads any more" },
    { SIGKILL, "SIGKILL", "it was killed" },
    { SIGTERM, "SIGTERM", "it was asked to end" },
    { SIGTRAP, "SIGTRAP", "it ran into a trap: a failed check built in by the compiler" },
    { SIGALRM, "SIGALRM", "a timer it had set ran out" },
    { SIGINT, "SIGINT", "it was interrupted" },
    { SIGHUP, "SIGHUP", "its terminal went away" },
    { SIGQUIT, "SIGQUIT", "it was asked to quit" },
    { SIGXCPU, "SIGXCPU", "it used more CPU time than it had allowed itself" },
};

static const char *signal_message(int number, struct arena *arena)
{
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        if (signals[i].number == number)
            return arena_printf(arena, "Stopped by %s: %s.", signals[i].name, signals[i].meaning);
    return arena_printf(arena, "Stopped by signal %d.", number);
}

/* A shell, and what behaves like one, hands a signal on as 128 + its number. */
static const char *exit_message(int code, struct arena *arena)
{
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        if (code == 128 + signals[i].number)
            return arena_printf(arena,
                                "Exited with code %d, which often means that a part of it was "
                                "stopped by %s: %s.",
                                code, signals[i].name, signals[i].meaning);
    return arena_printf(arena, "Exited with code %d; 0 would mean success.", code);
}

static const char *exec_message(int why, struct arena *arena)
{
    char buffer[64];
    switch (why) {
    case ENOEXEC:
        return "Could not be started: it is no program for this machine.";
    case ENOENT:
        return "Could not be started: the program, or what should run it, is not there.";
    case EACCES:
    case EPERM:
        return "Could not be started: it is not executable.";
    default:
        return arena_printf(arena, "Could not be started: %s.",
                            strerror_r(why, buffer, sizeof buffer));
    }
}

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

/* Whole units where they are whole: "64 MiB", "125 MiB", "1.5 MiB". */
static const char *size_text(int64_t bytes, struct arena *arena)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < COUNT_OF(units)) {
        value /= 1024;
        unit++;
    }
    bool whole = value - (double)(int64_t)value < 0.05;
    return arena_printf(arena, whole ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static const char *time_message(const struct report *report, const char *what, int64_t used_us,
                                int64_t limit_us, struct arena *arena)
{
    const char *how = report->signal == SIGKILL ? "Killed after using" : "Used";
    return arena_printf(arena, "%s %.2f s of %s; the limit is %.2f s.", how, seconds(used_us), what,
                        seconds(limit_us));
}

static const char *wall_message(const struct report *report, int64_t limit_us, struct arena *arena)
{
    return arena_printf(arena,
                        "Killed after %.2f s, of which it computed %.2f s; it may run for %.2f s. "
                        "Does it wait for input or sleep?",
                        seconds(report->wall_us), seconds(report->cpu_us), seconds(limit_us));
}

static const char *size_message(const char *what, int64_t limit, struct arena *arena)
{
    return arena_printf(arena, "Stopped for %s; the limit is %s.", what, size_text(limit, arena));
}

static const char *wrong_message(const struct checker *checker, struct str expected,
                                 struct str output, struct arena *arena)
{
    static const struct checker words = { .type = CHECKER_TOKENS };
    if (outputs_match(&words, STR(""), output) && !outputs_match(&words, STR(""), expected))
        return output.len ? "It printed nothing but white space, though more was expected."
                          : "It printed nothing, though output was expected.";
    if (checker->type != CHECKER_LINES)
        return "The output is not the expected one.";
    return arena_printf(arena, "The output differs from the expected one, first in line %zu.",
                        first_difference(expected, output, checker->ignore_case));
}

/* It ended by itself and with success: only the output is left to judge. */
static void judge_output(const struct report *report, const struct checker *checker,
                         struct str expected, struct arena *arena, struct outcome *o)
{
    if (!expected.ptr || outputs_match(checker, expected, buf_str(&report->out))) {
        o->verdict = VERDICT_ACCEPTED;
        return;
    }
    o->verdict = VERDICT_WRONG_ANSWER;
    o->message = wrong_message(checker, expected, buf_str(&report->out), arena);
}

static void judge_end(const struct report *report, const struct limits *limits, struct arena *arena,
                      struct outcome *o)
{
    switch (report->end) {
    case END_CANCELLED:
        o->verdict = VERDICT_CANCELLED;
        break;
    case END_MEMORY:
        o->verdict = VERDICT_MEMORY_LIMIT;
        o->limit = "memory";
        o->message = size_message("using more memory than allowed", limits->memory_bytes, arena);
        break;
    case END_OUTPUT:
        o->verdict = VERDICT_OUTPUT_LIMIT;
        o->limit = "output";
        o->message = size_message("printing more than allowed", limits->output_bytes, arena);
        break;
    case END_CPU:
        o->verdict = VERDICT_CPU_TIME_LIMIT;
        o->limit = "cpu_time";
        o->message = time_message(report, "CPU time", report->cpu_us, limits->cpu_us, arena);
        break;
    case END_WALL:
        o->verdict = VERDICT_WALL_TIME_LIMIT;
        o->limit = "wall_time";
        o->message = wall_message(report, limits->wall_us, arena);
        break;
    case END_SIGNAL:
        o->verdict = VERDICT_RUNTIME_ERROR;
        o->message = signal_message(report->signal, arena);
        break;
    case END_NO_EXEC: /* as a shell would put it */
        o->verdict = VERDICT_RUNTIME_ERROR;
        o->exit_code = report->exec_errno == ENOENT ? 127 : 126;
        o->message = exec_message(report->exec_errno, arena);
        break;
    case END_EXIT:
        o->verdict = VERDICT_RUNTIME_ERROR;
        o->exit_code = report->exit_code;
        o->message = exit_message(report->exit_code, arena);
        break;
    }
}

void judge(const struct report *report, const struct checker *checker, struct str expected,
           const struct limits *limits, struct arena *arena, struct outcome *ret)
{
    struct outcome o = {
        .exit_code = -1,
        .signal = report->signal,
        .cpu_us = report->cpu_us,
        .wall_us = report->wall_us,
        .memory_bytes = report->memory_bytes,
        .out = report->out.len ? arena_str(arena, buf_str(&report->out)) : STR_NULL,
        .err = report->err.len ? arena_str(arena, buf_str(&report->err)) : STR_NULL,
        .out_cut = report->out_cut,
        .err_cut = report->err_cut,
    };
    if (report->end == END_EXIT && report->exit_code == 0) {
        o.exit_code = 0;
        judge_output(report, checker, expected, arena, &o);
    } else {
        judge_end(report, limits, arena, &o);
    }
    *ret = o;
}
