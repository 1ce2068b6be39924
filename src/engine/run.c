/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - one test: its plan, its runs, its outcome.
 */
#include "base/file.h"
#include "engine/judge.h"
#include "engine/lane.h"
#include "engine/recipe.h"

static void fill_files(struct plan *plan, const struct active *a, struct arena *arena)
{
    size_t extra = a->extra ? a->extra->file_count : 0;
    struct plan_file *files = arena_array(arena, a->artifact->file_count + extra, sizeof *files);
    if (a->lang->build.argv && a->lang->single_executable)
        plan->exe_fd = a->artifact->files[0].fd;
    else
        plan->file_count = recipe_files(a->artifact, files);
    plan->file_count += recipe_files(a->extra, files + plan->file_count);
    plan->files = files;
}

static struct plan plan_of(const struct engine *en, const struct active *a, size_t k, int stdin_fd,
                           struct arena *arena)
{
    const struct job *job = a->job;
    struct command_words words = recipe_run_words(job, k, arena);
    struct plan plan = {
        .argv = command_fill(&a->lang->run, &words, arena),
        .env = recipe_env(a->lang, job->env, arena),
        .exe_fd = -1,
        .stdin_fd = stdin_fd,
        .limits = recipe_run_limits(&job->tests[k].limits, en->config.disk_bytes),
        .merge_stderr = job->merge_stderr,
    };
    fill_files(&plan, a, arena);
    return plan;
}

static enum got run_once(struct lane *l, struct active *a, size_t k, const struct plan *plan,
                         struct arena *arena, struct run_outcome *ret, struct err *e)
{
    const struct job_test *test = &a->job->tests[k];
    CLEANUP(report_done) struct report report = { 0 };
    enum got got = lane_run(l, a, k, plan, &report, e);
    if (got != GOT_ONE)
        return got;
    judge(&report, &a->job->checker, test->expected, &test->limits, arena, &ret->outcome);
    ret->rusage_only = report.from_rusage;
    return GOT_ONE;
}

/* Judge0's number_of_runs: times and memory are means, the rest is the last run's. */
static enum got run_repeatedly(struct lane *l, struct active *a, size_t k, const struct plan *plan,
                               struct arena *arena, struct run_outcome *ret, struct err *e)
{
    int64_t cpu = 0, wall = 0, memory = 0;
    int done = 0;
    do {
        enum got got = run_once(l, a, k, plan, arena, ret, e);
        if (got != GOT_ONE)
            return got;
        cpu += ret->outcome.cpu_us;
        wall += ret->outcome.wall_us;
        memory += ret->outcome.memory_bytes;
        done++;
    } while (done < a->job->runs && ret->outcome.verdict == VERDICT_ACCEPTED);
    ret->outcome.cpu_us = cpu / done;
    ret->outcome.wall_us = wall / done;
    ret->outcome.memory_bytes = memory / done;
    return GOT_ONE;
}

enum got run_test(struct lane *l, struct active *a, size_t k, struct arena *arena,
                  struct run_outcome *ret, struct err *e)
{
    struct str input = a->job->tests[k].stdin_data;
    CLEANUP(fd_close) int stdin_fd = -1;
    if (input.len > 0) {
        stdin_fd = memfd_of("stdin", input, 0444, e);
        if (stdin_fd < 0) {
            err_add(e, "stdin");
            return GOT_FAILED;
        }
    }
    struct plan plan = plan_of(l->en, a, k, stdin_fd, arena);
    return run_repeatedly(l, a, k, &plan, arena, ret, e);
}
